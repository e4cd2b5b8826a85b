"""What every model file below some folders is, remembered by size, time and inode.

A header is read once; after that a file costs one look at its status. A file that is refused is
remembered with the sentence that says why, and stands in no other file's way.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.errors import StorageError
from webui.library.findings import Finding, Findings, find, load_findings, save_findings, stamp_of
from webui.library.identify import Identity
from webui.library.readers import read_findings

ENDINGS = (".safetensors", ".gguf")


@dataclass(frozen=True)
class Found:
    """A file with its finding."""

    path: Path
    finding: Finding


class Scanner:
    """Looks at model files; `cache` is a JSON file that processes replace as a whole, or None."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known: Findings | None = None
        self._lock = threading.Lock()

    def scan(self, folders: Iterable[Path]) -> tuple[Found, ...]:
        """Every model file below `folders`, each once; the cache is written where it changed."""
        folders = tuple(folders)
        return self.look_at(dict.fromkeys(p for f in folders for p in model_files(f)), folders)

    def look_at(self, paths: Iterable[Path], folders: Iterable[Path]) -> tuple[Found, ...]:
        """What the files at `paths` are, all that lie below `folders`, whose cache is brought up.

        Files that are gone from a folder are forgotten; a folder that is gone as a whole, as on a
        drive that is not there now, keeps its entries.
        """
        paths = tuple(paths)
        with self._lock:
            before = self._entries().copy()
            new = [path for path in paths if str(path) not in before]
            self._entries().update(read_findings(new))
            found = [(path, self.look(path)) for path in paths]
            self._forget([f for f in folders if f.is_dir()], {str(path) for path in paths})
            if self._cache is not None and self._entries() != before:
                save_findings(self._cache, self._entries().copy())
        return tuple(Found(path, finding) for path, finding in found if finding is not None)

    def look(self, path: Path) -> Finding | None:
        """What the file at `path` is, from memory where it is unchanged; None where it is gone."""
        entries = self._entries()
        try:
            stamp = stamp_of(path)
        except OSError:
            entries.pop(str(path), None)
            return None
        known = entries.get(str(path))
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            finding = find(path)
        except StorageError as error:  # perhaps readable next time
            return Finding(Identity("unknown"), error.sentence)
        entries[str(path)] = (stamp, finding)
        return finding

    def _entries(self) -> Findings:
        if self._known is None:
            self._known = {} if self._cache is None else load_findings(self._cache)
        return self._known

    def _forget(self, folders: Sequence[Path], found: set[str]) -> None:
        below = tuple(f"{folder}{os.sep}" for folder in folders)
        for path in [p for p in self._entries() if p not in found and p.startswith(below)]:
            self._entries().pop(path, None)


def model_files(root: Path) -> Iterator[Path]:
    """The model files below `root`, hidden ones left out."""
    for folder, _, names in folders_below(root):
        yield from (folder / name for name in sorted(names) if is_model(name))


def is_model(name: str) -> bool:
    """Whether a file of this name is one to look into."""
    return name.casefold().endswith(ENDINGS) and not name.startswith(".")


def folders_below(
    root: Path, enter: Callable[[str], bool] = lambda _: True
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder from `root` down with its subfolders and files, links followed, none twice.

    Hidden folders and those that `enter` refuses by name are left out; who empties the list of
    subfolders is led into none of them.
    """
    seen: set[str] = set()
    for folder, subfolders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back up
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = [s for s in sorted(subfolders) if not s.startswith(".") and enter(s)]
        yield Path(folder), subfolders, files
