"""The checkpoint behind the reference pictures: written once into a cache outside the project."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import platformdirs
import psutil
import torch
from safetensors.torch import save_file

from tests.parity.weights import make_weights, schedule_buffers

HERE = Path(__file__).parent
CACHE = "PALIMPSEST_PARITY_CACHE"
"""The environment variable that names another folder for the checkpoint."""

NAME = "synth.safetensors"
SEED = 1
SHA256 = "dde2e533be355cf1ff7344a77369e8c5d1044f51dc16dc6a44e1fe6905f118fa"
NEEDED = 6 * 2**30
"""Bytes of disk to write the file, and of memory to run it in float32."""


def cache_folder() -> Path:
    """Where the checkpoint is kept between runs."""
    named = os.environ.get(CACHE)
    return Path(named) if named else platformdirs.user_cache_path("palimpsest") / "parity"


def lack() -> str:
    """What this machine lacks for the comparison, in a sentence; "" for nothing."""
    if psutil.virtual_memory().available < NEEDED:
        return "less than 6 GB of memory are free"
    folder = cache_folder()
    if (folder / NAME).is_file():
        return ""
    root = next(place for place in (folder, *folder.parents) if place.is_dir())
    return "less than 6 GB of disk are free" if shutil.disk_usage(root).free < NEEDED else ""


def ensure_checkpoint() -> Path:
    """The checkpoint's file; it is written, in under a minute, where it is missing."""
    path = cache_folder() / NAME
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{NAME}.{os.getpid()}.part")
        write_checkpoint(part)
        part.replace(path)
    return path


def write_checkpoint(path: Path) -> None:
    """Write the checkpoint in half precision; the bytes are the same everywhere."""
    shapes = json.loads((HERE / "sd15_keys.json").read_text(encoding="utf-8"))["weights"]
    weights = make_weights(shapes, SEED)
    halves = {
        key: (value.to(torch.float16) if value.is_floating_point() else value).contiguous()
        for key, value in weights.items()
    }
    save_file({**halves, **schedule_buffers()}, path)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
