"""What sits on the device: the checkpoints used last, up to a number, and nothing stale."""

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from webui.errors import NotFound, OutOfDeviceMemory
from webui.library.companions import NOTHING, Surroundings
from webui.weights.autoencoders import load_vae
from webui.weights.checkpoint import Checkpoint
from webui.weights.families import FAMILIES, ModelFamily
from webui.weights.folders import base_of
from webui.weights.loading import load_checkpoint
from webui.weights.memory import (
    free_memory,
    is_memory_error,
    offloads,
    read_ahead,
    release_memory,
    resolve_device,
    resolve_dtype,
)
from webui.weights.placement import (
    Berth,
    Format,
    Placement,
    Plan,
    Quarters,
    Storage,
    fitting,
    smaller,
)
from webui.weights.placement.stages import all_tensors, size_of

log = logging.getLogger(__name__)

MIB = 1 << 20
WORKING = 1536 * MIB
"""What a pass is taken to need beside the weights when their placement is chosen."""

WIDENED = 1024 * MIB
"""On a CPU, weights that would grow by more than this are kept as their file has them."""

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


@dataclass(frozen=True)
class Wishes:
    """What the settings ask for; "auto" leaves it to the machine.

    Attributes:
        dtype: the number format of networks and text encoders.
        vae_dtype: that of autoencoders; "auto" is the network's.
        placement: what is on the device at a time.
        storage: how weights are kept.
        tile_pixels: pictures above this many pixels go through the autoencoder in tiles; 0: never.
        keep: how many checkpoints stay on the device.
        warm: how many more stay in the machine's memory.
    """

    dtype: str = "auto"
    vae_dtype: str = "auto"
    placement: Placement | Literal["auto"] = "auto"
    storage: Storage | Literal["auto"] = "auto"
    tile_pixels: int = 0
    keep: int = 1
    warm: int = 0


class Residency:
    """Holds checkpoints on one device, and forgets the least recently used first.

    A file that changed on disk since it was loaded is loaded again. `berth` is the device's room
    for parts that take turns.
    """

    def __init__(
        self,
        device: str = "auto",
        wishes: Wishes | None = None,
        families: Sequence[ModelFamily] = FAMILIES,
    ) -> None:
        self.device = resolve_device(device)
        self.wishes = wishes or Wishes()
        self._families = tuple(families)
        resolve_dtype(self.wishes.dtype, self.device)  # a wrong name is told at the start
        self.plan = self.own_plan
        self._berth = Berth()
        self._held: OrderedDict[Identity, Checkpoint] = OrderedDict()
        self._warm: OrderedDict[Identity, Checkpoint] = OrderedDict()
        self._in_use: set[Identity] = set()
        self._vaes: dict[Identity, tuple[object, AutoencoderKL]] = {}

    @property
    def own_plan(self) -> Plan:
        """What the settings ask for, where they leave nothing to the machine."""
        wishes = self.wishes
        return Plan(
            "full" if wishes.placement == "auto" else wishes.placement,
            "compute" if wishes.storage == "auto" else wishes.storage,
            wishes.tile_pixels,
        )

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of what is resident, least recently used first."""
        return tuple(checkpoint.title for checkpoint in self._held.values())

    def use(self, plan: Plan | None) -> None:
        """Follow `plan` from now on; None: what the settings ask for."""
        self.plan = plan or self.own_plan

    def smaller(self) -> Plan | None:
        """The next plan that needs less memory than what is resident now; None: there is none."""
        placed = [c.quarters.plan.placement for c in self._held.values() if c.quarters]
        plan = replace(self.plan, placement=placed[-1]) if placed else self.plan
        return smaller(plan, offloads(self.device))

    def checkpoint(
        self,
        file: CheckpointFile,
        vae: Path | None = None,
        about: Surroundings = NOTHING,
    ) -> Checkpoint:
        """The model in `file`, ready to work on the device, with its own autoencoder or another.

        Parts that the file lacks are taken from `about` it.
        Raises NotFound where the file is gone, OutOfDeviceMemory, and what loading raises.
        """
        identity = _identity(file, about)
        held = self._held.get(identity)
        if held is None:
            warm = self._warm.pop(identity, None)
            self._make_room(identity)
            held = self._bring(file, warm, about)
            self._held[identity] = held
        else:
            with self.guarded(f"moving {file.title}"):
                self._settle(held)
        self._held.move_to_end(identity)
        self._in_use.add(identity)
        with self.guarded(f"loading the VAE of {file.title}"):
            return self._with_vae(identity, held, vae)

    def clear(self) -> None:
        """Forget everything and give the memory back."""
        self._berth.clear()
        self._held.clear()
        self._warm.clear()
        self._vaes.clear()
        release_memory(self.device)

    def rest(self) -> None:
        """Bring every weight back to where it is kept; to be called between runs."""
        self._berth.clear()
        self._in_use.clear()
        for checkpoint in self._warm.values():
            _leave(checkpoint)

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

    def _bring(
        self, file: CheckpointFile, warm: Checkpoint | None, about: Surroundings
    ) -> Checkpoint:
        """A checkpoint that is not on the device yet; others are let go where they are too many."""
        try:
            return self._ready(file, warm, about, "the number of models kept")
        except OutOfDeviceMemory:
            if not self._held and not self._warm:
                raise
        log.warning("no room for %s beside %s: those are let go", file.title, self._described())
        self.clear()
        return self._ready(file, None, about, "the precision (float16 takes half)")

    def _ready(
        self, file: CheckpointFile, warm: Checkpoint | None, about: Surroundings, lower: str
    ) -> Checkpoint:
        with self.guarded(f"loading {file.title}", lower):
            checkpoint = warm
            if checkpoint is None:
                dtype = resolve_dtype(self.wishes.dtype, self.device)
                if file.path.is_file():
                    read_ahead(file.path)
                loaded = load_checkpoint(
                    file.path, None, dtype, file.title, file.sha256, about, self._families
                )
                checkpoint = replace(loaded, quarters=self._quarters(loaded))
            self._settle(checkpoint)
            return checkpoint

    def _with_vae(self, identity: Identity, held: Checkpoint, path: Path | None) -> Checkpoint:
        """`held` with the autoencoder in `path`, or with its own."""
        wanted = None if path is None else (str(path), path.stat().st_mtime_ns)
        present, own = self._vaes.get(identity, (None, held.vae))
        if wanted == present:
            return held
        vae = own if path is None else load_vae(path, held)
        assert held.quarters is not None
        held.quarters.exchange(held.family.vae.folder, vae)
        self._vaes[identity] = (wanted, own)
        self._held[identity] = replace(held, vae=vae)
        return self._held[identity]

    def _quarters(self, checkpoint: Checkpoint) -> Quarters:
        family, wishes = checkpoint.family, self.wishes
        dtype = resolve_dtype(wishes.dtype, self.device, family.prediction == "flow")
        formats = dict.fromkeys(checkpoint.modules, Format(self.device, dtype))
        if wishes.vae_dtype != "auto":
            own = resolve_dtype(wishes.vae_dtype, self.device)
            formats[family.vae.folder] = Format(self.device, own)
        return Quarters(checkpoint.modules, formats, family.network.folder, self._berth)

    def _settle(self, checkpoint: Checkpoint) -> None:
        """Bring a checkpoint to where the plan has it."""
        quarters = checkpoint.quarters
        assert quarters is not None
        quarters.settle(self._fitted(checkpoint, quarters))

    def _fitted(self, checkpoint: Checkpoint, quarters: Quarters) -> Plan:
        """The plan with what the settings leave to the machine."""
        plan = self.plan
        if self.wishes.storage == "auto":
            plan = replace(plan, storage=self._storage(checkpoint))
        if self.wishes.placement != "auto" or plan.placement != "full":
            return plan
        if not offloads(self.device) or (quarters.settled and quarters.plan.placement != "full"):
            return replace(plan, placement=quarters.plan.placement)
        if quarters.settled:
            return plan
        parts = {name: quarters.weight(name, plan) for name in checkpoint.modules}
        return replace(plan, placement=fitting(parts, WORKING, free_memory(self.device)))

    def _storage(self, checkpoint: Checkpoint) -> Storage:
        """As the file has it where eight bits were meant, or where a CPU would have to widen much.

        Weights that are widened for each call cost time, so small models are widened for good.
        """
        quarters = checkpoint.quarters
        if quarters is not None and quarters.settled:
            return quarters.plan.storage
        network = checkpoint.network.module
        if any(t.element_size() == 1 for t in all_tensors(network) if t.is_floating_point()):
            return "file"
        if self.device.type != "cpu":
            return "compute"
        growth = sum(t.numel() * 4 for t in all_tensors(network)) - size_of(network)
        return "file" if growth > WIDENED else "compute"

    def _make_room(self, identity: Identity) -> None:
        """Let go former states of the same file, and the oldest beyond the number to keep."""
        for pool in (self._held, self._warm):
            for stale in [held for held in pool if held[0] == identity[0]]:
                del pool[stale]
        while len(self._held) >= max(1, self.wishes.keep):
            self._let_go(next(iter(self._held)))
        kept = self._held.keys() | self._warm.keys()
        self._vaes = {i: vae for i, vae in self._vaes.items() if i in kept}
        self._berth.clear()
        release_memory(self.device)

    def _let_go(self, identity: Identity) -> None:
        """Take a checkpoint from the device, to stay warm in the machine's memory if asked for.

        One that works in the present run stays in its place until that ends.
        """
        checkpoint = self._held.pop(identity)
        if not self.wishes.warm:
            return
        if identity not in self._in_use:
            _leave(checkpoint)
        self._warm[identity] = checkpoint
        while len(self._warm) > self.wishes.warm:
            self._warm.popitem(last=False)

    def _described(self) -> str:
        held = [f"{c.title} ({c.bytes / MIB:.0f} MiB)" for c in self._held.values()]
        return ", ".join(held) or "nothing"


def _leave(checkpoint: Checkpoint) -> None:
    if checkpoint.quarters is not None and checkpoint.quarters.settled:
        checkpoint.quarters.leave()


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


def _identity(file: CheckpointFile, about: Surroundings = NOTHING) -> Identity:
    """Path, and size and time of every file of it, so that a replaced file is noticed.

    Files beside it count by their paths, in the order in which they are looked at.
    """
    path = file.path
    try:
        files = _files(path) if path.is_dir() else [path]
        stamps = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    except OSError as error:
        raise NotFound("checkpoint", file.title, (), "model.checkpoint") from error
    return (str(path), *stamps, about.chosen, about.found)
