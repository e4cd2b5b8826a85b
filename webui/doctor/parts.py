"""torch, its devices and the optional parts, each tried in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from typing import Any, cast

from webui.doctor.facts import Fact

SECONDS = 120
"""A part that takes longer than this to import is given up."""


@dataclass(frozen=True)
class Part:
    """An optional package: the module that is tried and what is lost without it."""

    module: str
    package: str
    without: str


PARTS = (
    Part("torchvision", "torchvision", "not needed; image processors take a slower path"),
    Part("xformers", "xformers", "not needed; torch's own attention is used"),
    Part("flash_attn", "flash-attn", "not needed; torch's own attention is used"),
    Part("sageattention", "sageattention", "not needed; torch's own attention is used"),
    Part("controlnet_aux", "controlnet-aux", "its preprocessors are not offered"),
)
BROKEN = {
    "torchvision": "Its build does not fit this torch; reinstall both from the same index.",
    "xformers": "It was built for another torch; it is left aside and torch's attention is used.",
}
CORE = ("diffusers", "transformers")


def find_torch() -> list[Fact]:
    """torch and its devices, and the two libraries that carry the networks."""
    with ThreadPoolExecutor(2) as pool:
        torch, *core = pool.map(try_import, ("torch", *CORE))
    if "error" in torch:
        advice = "Start `python launch.py setup`; TORCH_COMMAND chooses another build."
        return [Fact("torch", "torch", torch["error"], "problem", advice)]
    devices: list[str] = torch["devices"]
    facts = [
        Fact("torch", "build", f"{torch['build']}, {torch['threads']} threads"),
        Fact("torch", "devices", "\n".join(devices)),
    ]
    for name, found in zip(CORE, core, strict=True):
        if "error" in found:
            facts.append(Fact("torch", name, found["error"], "problem"))
    return facts


def find_attention(wanted: str, device: str) -> Fact:
    """What would compute attention with these settings."""
    found = try_import("attention", wanted, device)
    if "error" in found:
        return Fact("torch", "attention", found["error"], "note")
    why = f" ({found['why']})" if found["why"] else ""
    return Fact("torch", "attention", f"{found['name']}{why}", "note" if why else "ok")


def find_parts(parts: Iterable[Part] = PARTS) -> list[Fact]:
    """The optional parts: working, broken (and why), or absent."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(find_part, parts))


def find_part(part: Part) -> Fact:
    """One optional part."""
    try:
        version = metadata.version(part.package)
    except metadata.PackageNotFoundError:
        return Fact("optional", part.package, f"not installed: {part.without}")
    found = try_import(part.module)
    if "error" in found:
        value = f"{version} does not work: {found['error']}"
        return Fact("optional", part.package, value, "note", BROKEN.get(part.module, part.without))
    return Fact("optional", part.package, f"{version} works")


def try_import(module: str, *about: str) -> dict[str, Any]:
    """What `webui.doctor.probe` says of a module; `error` where it says nothing."""
    command = [sys.executable, "-m", "webui.doctor.probe", module, *about]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"importing it took more than {SECONDS} s"}
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    try:
        return cast("dict[str, Any]", json.loads(lines[-1]))
    except (IndexError, ValueError):
        return {"error": f"importing it ended the process (exit code {done.returncode})"}
