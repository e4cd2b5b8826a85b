"""LoRA files and their kin below the models folders, by the names that prompts call them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.contract.events import Word
from webui.errors import WebuiError
from webui.library.hashes import HashCache
from webui.library.headers import read_header

FOLDERS = frozenset(("lora", "lycoris"))
ENDING = ".safetensors"
ALIAS = "ss_output_name"
"""The metadata key of the name that the trainer gave."""

HASH_DIGITS = 12
NO_ALIAS = frozenset(("", "none"))

Stamp = tuple[str, int, int]


@dataclass(frozen=True)
class AdapterFile:
    """A LoRA or a relative of it; `name` is the file's name without its ending."""

    name: str
    path: Path
    alias: str = ""

    @property
    def stamp(self) -> Stamp:
        """Path, size and time: what changes when the file is replaced."""
        status = self.path.stat()
        return (str(self.path), status.st_size, status.st_mtime_ns)

    def metadata(self) -> dict[str, str]:
        """What the trainer wrote into the header; nothing where the file is broken or gone."""
        try:
            return dict(read_header(self.path).metadata)
        except WebuiError:
            return {}


class AdapterCatalog:
    """What the folders Lora and LyCORIS hold now, below the models folders and in models of theirs.

    Every question looks at the disk; what headers say is remembered while their file is the same.
    Where two files have one name, that of the earlier folder wins.
    """

    def __init__(self, folders: Sequence[Path], hashes: HashCache) -> None:
        self._folders = tuple(dict.fromkeys(folder.resolve() for folder in folders))
        self._hashes = hashes
        self._aliases: dict[Stamp, str] = {}

    def files(self) -> tuple[AdapterFile, ...]:
        """Every file by name, with its alias."""
        plain = (AdapterFile(path.stem, path) for path in self._named().values())
        return tuple(AdapterFile(f.name, f.path, self._alias(f)) for f in plain)

    def find(self, name: str) -> AdapterFile | None:
        """The file called `name`, or the only one with that alias."""
        path = self._named().get(name.casefold())
        if path is not None:
            return AdapterFile(path.stem, path)
        if name.casefold() in NO_ALIAS:
            return None
        known = [file for file in self.files() if file.alias.casefold() == name.casefold()]
        return known[0] if len(known) == 1 else None

    def short_hash(self, file: AdapterFile) -> str:
        """The first twelve of the tensors' hash, computed once, as infotext has it."""
        return self._hashes.tensors_sha256(file.path)[:HASH_DIGITS]

    def words(self) -> tuple[Word, ...]:
        """The files as words; hashes are among the aliases once they are known."""
        return tuple(
            Word(id=file.name, label=file.name, aliases=tuple(filter(None, self._spellings(file))))
            for file in self.files()
        )

    def _spellings(self, file: AdapterFile) -> tuple[str, str]:
        known = self._hashes.known_tensors(file.path) or ""
        return (file.alias, known[:HASH_DIGITS])

    def _alias(self, file: AdapterFile) -> str:
        try:
            stamp = file.stamp
            if stamp not in self._aliases:
                self._aliases[stamp] = file.metadata().get(ALIAS, "")
        except OSError:  # gone since it was listed
            return ""
        return self._aliases[stamp]

    def _named(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for root in self._folders:
            for path in _scan(root):
                found.setdefault(path.stem.casefold(), path)
        return dict(sorted(found.items()))


def _scan(root: Path) -> Iterator[Path]:
    """Every safetensors file below the folders of `root` that are for them."""
    for top in _tops(root):
        seen: set[str] = set()
        for folder, subfolders, files in os.walk(top, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:  # a link that leads back up
                subfolders.clear()
                continue
            seen.add(real)
            subfolders[:] = sorted(s for s in subfolders if not s.startswith("."))
            yield from (Path(folder, name) for name in sorted(files) if name.endswith(ENDING))


def _tops(root: Path) -> list[Path]:
    """The folders for adapters in `root`, then those that diffusers models bring along."""
    if not root.is_dir():
        return []
    homes = [root, *(index.parent for index in sorted(root.glob("*/model_index.json")))]
    found = [folder for home in homes for folder in sorted(home.iterdir())]
    return [folder for folder in found if folder.name.casefold() in FOLDERS and folder.is_dir()]
