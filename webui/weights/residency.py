"""What sits on the device: the checkpoints used last, up to a number, and nothing stale."""

import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch

from webui.errors import NotFound, OutOfDeviceMemory
from webui.weights.checkpoint import Checkpoint
from webui.weights.folders import base_of
from webui.weights.loading import load_checkpoint
from webui.weights.memory import is_memory_error, release_memory, resolve_device, resolve_dtype

log = logging.getLogger(__name__)

MIB = 1 << 20

Identity = tuple[object, ...]


class CheckpointFile(Protocol):
    """A model on disk, as `webui.library.catalog.ModelFile` is."""

    @property
    def path(self) -> Path:
        """The file, or the folder in diffusers layout."""
        ...

    @property
    def title(self) -> str:
        """Its name for people."""
        ...

    @property
    def sha256(self) -> str | None:
        """The hash of its weights where it is known."""
        ...


class Residency:
    """Holds up to `keep` checkpoints on one device, and forgets the least recently used first.

    A file that changed on disk since it was loaded is loaded again.
    """

    def __init__(self, device: str = "auto", dtype: str = "auto", keep: int = 1) -> None:
        self.device = resolve_device(device)
        self.dtype = resolve_dtype(dtype, self.device)
        self.keep = max(1, keep)
        self._held: OrderedDict[Identity, Checkpoint] = OrderedDict()

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of what is resident, least recently used first."""
        return tuple(checkpoint.title for checkpoint in self._held.values())

    def checkpoint(self, file: CheckpointFile) -> Checkpoint:
        """The model in `file`, on the device.

        Raises NotFound where the file is gone, OutOfDeviceMemory, and what loading raises.
        """
        identity = _identity(file)
        held = self._held.get(identity)
        if held is None:
            self._make_room(identity)
            held = self._load(file)
            self._held[identity] = held
        self._held.move_to_end(identity)
        return held

    def clear(self) -> None:
        """Forget everything and give the memory back."""
        self._held.clear()
        release_memory(self.device)

    @contextmanager
    def guarded(self, doing: str, lower: str = "the picture's size") -> Iterator[None]:
        """Turn a full device inside the block into a sentence.

        `doing` is what was going on, as "decoding the picture"; `lower` what would help.
        Raises OutOfDeviceMemory.
        """
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_memory_error(error):
                raise
            detail = str(error)
        else:
            return
        # Outside the except block: the traceback there would keep every tensor of it alive.
        release_memory(self.device)
        raise OutOfDeviceMemory(
            f"The memory of {self.device.type} ran out while {doing}. "
            f"Resident: {self._described()}. Lower {lower}, or keep fewer models.",
            detail,
        )

    def _load(self, file: CheckpointFile) -> Checkpoint:
        try:
            with self.guarded(f"loading {file.title}", "the number of models kept"):
                return load_checkpoint(file.path, self.device, self.dtype, file.title, file.sha256)
        except OutOfDeviceMemory:
            if not self._held:
                raise
        log.warning("no room for %s beside %s: those are let go", file.title, self._described())
        self.clear()
        with self.guarded(f"loading {file.title}", "the precision (float16 takes half)"):
            return load_checkpoint(file.path, self.device, self.dtype, file.title, file.sha256)

    def _make_room(self, identity: Identity) -> None:
        """Let go former states of the same file, and the oldest beyond the number to keep."""
        stale = [held for held in self._held if held[0] == identity[0]]
        for held in stale:
            del self._held[held]
        while len(self._held) >= self.keep:
            self._held.popitem(last=False)
        release_memory(self.device)

    def _described(self) -> str:
        held = [f"{c.title} ({c.bytes / MIB:.0f} MiB)" for c in self._held.values()]
        return ", ".join(held) or "nothing"


def describe_device(device: torch.device) -> str:
    """The device's name for people, as "cuda (NVIDIA H100)"."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type


def _files(folder: Path) -> list[Path]:
    """Every file of a model's folder, and of the folder whose parts it shares."""
    base = base_of(folder)
    folders = [folder] if base is None else [folder, base]
    return sorted(path for f in folders for path in f.rglob("*") if path.is_file())


def _identity(file: CheckpointFile) -> Identity:
    """Path, and size and time of every file of it, so that a replaced file is noticed."""
    path = file.path
    try:
        files = _files(path) if path.is_dir() else [path]
        stamps = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    except OSError as error:
        raise NotFound("checkpoint", file.title, (), "model.checkpoint") from error
    return (str(path), *stamps)
