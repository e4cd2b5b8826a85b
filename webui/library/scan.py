"""What every model file below some folders is, remembered by size, time and inode.

A header is read once; after that a file costs one look at its status. A file that is refused is
remembered with the sentence that says why, and stands in no other file's way.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from webui.errors import StorageError, WebuiError
from webui.library.headers import read_header
from webui.library.identify import KINDS, Identity, identify

log = logging.getLogger(__name__)

VERSION = 1
"""Raised when identification learns something, so that files are looked at again."""
ENDING = ".safetensors"
Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Finding:
    """What one file is; `problem` is the sentence about a file that was refused, else empty."""

    identity: Identity
    problem: str = ""


@dataclass(frozen=True)
class Found:
    """A file with its finding."""

    path: Path
    finding: Finding


class Scanner:
    """Looks at model files; `cache` is a JSON file that processes replace as a whole, or None."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known: dict[str, tuple[Stamp, Finding]] | None = None
        self._lock = threading.Lock()

    def scan(self, folders: Iterable[Path]) -> tuple[Found, ...]:
        """Every model file below `folders`, each once; the cache is written where it changed.

        Files that are gone from a folder are forgotten; a folder that is gone as a whole, as on a
        drive that is not there now, keeps its entries.
        """
        folders = [folder for folder in folders if folder.is_dir()]
        with self._lock:
            before = self._entries().copy()
            paths = dict.fromkeys(path for folder in folders for path in model_files(folder))
            found = [(path, self.look(path)) for path in paths]
            self._forget(folders, {str(path) for path in paths})
            if self._entries() != before:
                self._remember()
        return tuple(Found(path, finding) for path, finding in found if finding is not None)

    def look(self, path: Path) -> Finding | None:
        """What the file at `path` is, from memory where it is unchanged; None where it is gone."""
        entries = self._entries()
        try:
            stamp = _stamp(path)
        except OSError:
            entries.pop(str(path), None)
            return None
        known = entries.get(str(path))
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            finding = _find(path)
        except StorageError as error:  # perhaps readable next time
            return Finding(Identity("unknown"), error.sentence)
        entries[str(path)] = (stamp, finding)
        return finding

    def _entries(self) -> dict[str, tuple[Stamp, Finding]]:
        if self._known is None:
            self._known = {} if self._cache is None else _load(self._cache)
        return self._known

    def _forget(self, folders: Iterable[Path], found: set[str]) -> None:
        below = tuple(f"{folder}{os.sep}" for folder in folders)
        for path in [p for p in self._entries() if p not in found and p.startswith(below)]:
            self._entries().pop(path, None)

    def _remember(self) -> None:
        if self._cache is None:
            return
        entries = self._entries().copy().items()
        files = {path: [stamp, asdict(finding)] for path, (stamp, finding) in entries}
        fresh = self._cache.with_name(f"{self._cache.name}.{os.getpid()}.tmp")
        try:
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps({"version": VERSION, "files": files}), encoding="ascii")
            fresh.replace(self._cache)
        except OSError as error:  # a lost cache costs time, not models
            log.warning("what the model files are could not be remembered: %s", error)


def model_files(root: Path) -> Iterator[Path]:
    """The model files below `root`, hidden ones left out."""
    for folder, _, names in folders_below(root):
        for name in sorted(names):
            if name.casefold().endswith(ENDING) and not name.startswith("."):
                yield folder / name


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


def _find(path: Path) -> Finding:
    try:
        return Finding(identify(read_header(path)))
    except StorageError:
        raise
    except WebuiError as error:
        return Finding(Identity("unknown"), error.sentence)


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _load(cache: Path) -> dict[str, tuple[Stamp, Finding]]:
    """What was remembered; nothing where that cannot be read or was written by another version."""
    try:
        loaded = cast("dict[str, Any]", json.loads(cache.read_bytes()))
        if loaded["version"] != VERSION:
            return {}
        return {path: _entry(*told) for path, told in loaded["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _entry(stamp: list[int], told: dict[str, Any]) -> tuple[Stamp, Finding]:
    size, mtime, inode = stamp
    known = told["identity"]
    if known["kind"] not in KINDS:
        raise ValueError(f"no kind {known['kind']}")
    identity = Identity(known["kind"], known["family"], known["variant"], tuple(known["parts"]))
    return (size, mtime, inode), Finding(identity, told["problem"])
