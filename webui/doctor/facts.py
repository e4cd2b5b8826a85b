"""What the doctor finds, and the findings that need no other process."""

import os
import platform
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil

import webui
from webui.settings import Settings

Health = Literal["ok", "note", "problem"]
GIB = 2**30
LEAST_FREE = 2 * GIB
PACKAGES = (
    "torch", "diffusers", "transformers", "accelerate", "safetensors", "tokenizers", "gradio",
    "fastapi", "pydantic", "pillow", "numpy", "opencv-python-headless",
)  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """One finding: `health` is `note` for what may be as it is, `problem` for what must not."""

    section: str
    name: str
    value: str
    health: Health = "ok"
    advice: str = ""


def find_machine() -> list[Fact]:
    """System, processor, memory and Python."""
    memory = psutil.virtual_memory()
    available = f"{memory.available / GIB:.1f} GiB free of {memory.total / GIB:.1f} GiB"
    scarce = memory.available < 2 * GIB
    return [
        Fact("machine", "system", platform.platform()),
        Fact("machine", "processors", str(os.cpu_count())),
        Fact("machine", "memory", available, "note" if scarce else "ok",
             "The starter model fits; larger checkpoints may not." if scarce else ""),
        Fact("machine", "python", f"{platform.python_version()} ({sys.executable})"),
    ]  # fmt: skip


def find_versions() -> list[Fact]:
    """Palimpsest and the packages that it stands on."""
    facts = [Fact("versions", "palimpsest", webui.__version__)]
    for name in PACKAGES:
        try:
            facts.append(Fact("versions", name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            advice = "Start `python launch.py setup` to install what is missing."
            facts.append(Fact("versions", name, "not installed", "problem", advice))
    return facts


def find_folders(settings: Settings) -> list[Fact]:
    """Every folder: is it there, may we write, how much room is left?"""
    folders = settings.folders
    facts = [
        _folder("data", folders.data_dir, must_write=True),
        _folder("outputs", folders.outputs_dir, must_write=True),
        _folder("models", folders.models_dir, must_write=False),
        _folder("extensions", folders.extensions_dir, must_write=False),
    ]
    older = () if folders.a1111_home is None else (folders.a1111_home,)
    facts += [_read("further models", folder) for folder in folders.more_models_dirs]
    facts += [_read("older installation", folder) for folder in older]
    there = folders.config_file.exists()
    value = f"{folders.config_file}{'' if there else ' (not there: the defaults are used)'}"
    return [*facts, Fact("folders", "settings file", value)]


def _read(name: str, folder: Path) -> Fact:
    """A folder that is only read; one on a drive that is away now may be as it is."""
    if folder.is_dir():
        return Fact("folders", name, str(folder))
    return Fact("folders", name, f"{folder} (not there)", "note", "Its models are left out.")


def _folder(name: str, folder: Path, must_write: bool) -> Fact:
    existing = next((p for p in (folder, *folder.parents) if p.is_dir()), None)
    if existing is None or (folder.exists() and not folder.is_dir()):
        advice = "It is no folder and none can be made there; choose another."
        return Fact("folders", name, str(folder), "problem", advice)
    if must_write and not _writable(existing):
        advice = "This user cannot write there; choose another or change its owner."
        return Fact("folders", name, str(folder), "problem", advice)
    free = shutil.disk_usage(existing).free
    value = f"{folder} ({free / GIB:.1f} GiB free{'' if folder.exists() else ', made when needed'})"
    if must_write and free < LEAST_FREE:
        return Fact("folders", name, value, "problem", "The disk is nearly full.")
    return Fact("folders", name, value)


def _writable(folder: Path) -> bool:
    # Permission bits say little on Windows and network drives: only writing tells.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def find_server(settings: Settings) -> list[Fact]:
    """The address, who can reach it, and whether it is free."""
    server = settings.server
    address = f"{server.bind_host}:{server.port}"
    facts = [_port(address, server.bind_host, server.port)]
    if server.local_only:
        facts.append(Fact("server", "reach", "this machine only"))
    elif server.auth:
        facts.append(Fact("server", "reach", "other machines, with the login that is set"))
    else:
        facts.append(Fact("server", "reach", "other machines, with a login made at each start"))
    return facts


def _port(address: str, host: str, port: int) -> Fact:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            advice = "A running Palimpsest? Otherwise choose another with --port."
            return Fact("server", "address", f"{address}: {error.strerror}", "note", advice)
    return Fact("server", "address", f"{address} is free")
