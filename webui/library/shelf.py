"""What lies in the models folders now: every model of every kind, with what lies beside it.

The folders are looked at when somebody asks; with some `patience`, not again before so many seconds
have passed, nor before twenty times as long as the last look took. Nothing runs in between.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

from webui.library.findings import Finding
from webui.library.folders import ANYWHERE, ELSEWHERE, base_name, place_of
from webui.library.identify import Kind
from webui.library.scan import Scanner, folders_below, is_model

PAIRED_VAE = ".vae.safetensors"
INDEX = "model_index.json"
BROUGHT: frozenset[str] = frozenset(("lora", "lycoris", "embedding", "upscaler"))
"""What a folder in diffusers layout may bring along for itself, in folders of these kinds."""

SHARE = 20
"""Looking takes at most this part of the time."""


@dataclass(frozen=True)
class Holding:
    """A model on disk: a single file, or a folder in diffusers layout.

    Attributes:
        name: its path below the models folder with forward slashes, without the kind's folder.
        path: where it is.
        place: what the folder that it lies in is for, as `place_of` says.
        finding: what its header says; None for a folder.
        beside: names of the files in its folder that begin with its stem.
    """

    name: str
    path: Path
    place: str
    finding: Finding | None = None
    beside: tuple[str, ...] = field(default=(), repr=False)

    @property
    def layout(self) -> Literal["diffusers", "single_file"]:
        """Whether it is one file or a folder."""
        return "diffusers" if self.finding is None else "single_file"

    @property
    def kind(self) -> Kind:
        """What it is by its header; where that cannot tell, what its folder is for."""
        if self.finding is None:
            return "checkpoint"
        known = self.finding.identity.kind
        if known != "unknown" or self.place == ELSEWHERE:
            return known
        if self.path.name.casefold().endswith(PAIRED_VAE):
            return "vae"
        return "checkpoint" if self.place == ANYWHERE else cast("Kind", self.place)


class Shelf:
    """The models below `folders`, the user's first; `scanner` remembers what they are."""

    def __init__(
        self, folders: Sequence[Path], scanner: Scanner | None = None, patience: float = 0.0
    ) -> None:
        self.folders = tuple(dict.fromkeys(folder.resolve() for folder in folders))
        self._scanner = scanner or Scanner()
        self._patience = patience
        self._lock = threading.Lock()
        self._held: tuple[Holding, ...] = ()
        self._version = 0
        self._due = 0.0

    def holdings(self, kind: Kind | None = None) -> tuple[Holding, ...]:
        """Everything there is (of `kind`), folder after folder, by name within each."""
        held, _ = self.state()
        return held if kind is None else tuple(h for h in held if h.kind == kind)

    def state(self) -> tuple[tuple[Holding, ...], int]:
        """Everything there is, and a number that is another one whenever that changed."""
        with self._lock:
            began = time.monotonic()
            if began >= self._due:
                self._look()
                ended = time.monotonic()
                self._due = ended + max(self._patience, SHARE * (ended - began))
                if not self._patience:
                    self._due = 0.0
            return self._held, self._version

    def refresh(self) -> None:
        """Look at the folders again at the next question."""
        with self._lock:
            self._due = 0.0

    def _look(self) -> None:
        seen = dict[Path, Holding]()
        for root in self.folders:
            for holding in _lying_in(root):
                seen.setdefault(holding.path, holding)
        paths = [path for path in seen if is_model(path.name)]
        found = {f.path: f.finding for f in self._scanner.look_at(paths, self.folders)}
        held = tuple(
            replace(holding, finding=found[path]) if path in found else holding
            for path, holding in seen.items()
            if path in found or not is_model(path.name)
        )
        if held != self._held:
            self._held, self._version = held, self._version + 1


def _lying_in(root: Path) -> Iterator[Holding]:
    """Every model below `root`, still without its finding."""
    for folder, subfolders, files in folders_below(root):
        if (folder / INDEX).is_file():
            yield Holding(base_name(root, folder), folder, "checkpoint")
            subfolders[:] = [s for s in subfolders if place_of(folder, folder / s) in BROUGHT]
            continue
        models = sorted(name for name in files if is_model(name))
        if models:
            yield from _in_folder(root, folder, models, files)


def _in_folder(
    root: Path, folder: Path, models: Sequence[str], files: Sequence[str]
) -> Iterator[Holding]:
    beside = _beside(models, files)
    prefix = base_name(root, folder / "x")[:-1]
    place = place_of(root, folder)
    for name in models:
        yield Holding(prefix + name, folder / name, place, beside=tuple(beside.get(name, ())))


def _beside(models: Sequence[str], files: Sequence[str]) -> dict[str, list[str]]:
    """The other files that begin with a model's stem and a dot, by the model's name."""
    by_stem = {name.rpartition(".")[0].casefold(): name for name in models}
    found: dict[str, list[str]] = {}
    for file in sorted(files):
        stem = file.casefold()
        while "." in stem:
            stem = stem.rpartition(".")[0]
            if stem in by_stem:
                if by_stem[stem] != file:
                    found.setdefault(by_stem[stem], []).append(file)
                break
    return found
