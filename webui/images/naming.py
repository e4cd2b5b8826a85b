"""File names for pictures: patterns with tokens, made safe on every system, never handed out twice.

`outputs/txt2img-images/2026-11-23/00000-1234.png`: the folder by mode and pattern, a number one
above the highest in the folder, a decoration by pattern.
"""

import os
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from webui.errors import StorageError
from webui.images.patterns import NameFacts, expand_folder, expand_name, facts_of, safe_part

__all__ = ["FileNamer", "NameFacts", "NamePatterns", "facts_of"]

Kind = Literal["image", "grid"]

MAX_NAME_BYTES = 200
"""A whole file name stays below this, so that a temporary name beside it fits everywhere too."""

_FOLDERS: dict[tuple[str, str], str] = {
    ("txt2img", "image"): "txt2img-images",
    ("img2img", "image"): "img2img-images",
    ("txt2img", "grid"): "txt2img-grids",
    ("img2img", "grid"): "img2img-grids",
}
_LEADING_NUMBER = re.compile(r"(\d{1,9})(?=[-.]|$)", re.ASCII)


@dataclass(frozen=True)
class NamePatterns:
    """How files are named: patterns of tokens for the subfolder and for the name.

    `add_number` puts the running number first; without it a taken name gets `-1`, `-2` and so on.
    """

    folder: str = "[date]"
    name: str = "[seed]"
    add_number: bool = True


@dataclass
class FileNamer:
    """Hands out names below `root`; a name is never given twice, even before its file is there.

    Safe to call from several threads. Names given out before a restart, whose files are still to
    be written, are made known with `reserve`.
    """

    root: Path
    patterns: NamePatterns = NamePatterns()
    _given: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def path_for(
        self,
        mode: Literal["txt2img", "img2img"],
        facts: NameFacts,
        suffix: str = "png",
        hint: str = "",
        kind: Kind = "image",
    ) -> PurePosixPath:
        """A free path relative to `root`; nothing is created.

        `suffix` is the ending without its dot, `hint` a wished name that replaces pattern and
        number, `kind` "grid" gives the `grid-0000` row of names. Raises StorageError where the
        folder leads out of `root`.
        """
        folder = PurePosixPath(_FOLDERS[mode, kind], *expand_folder(self.patterns.folder, facts))
        self._check_inside(folder)
        with self._lock:
            taken = self._taken(folder)
            name = self._free_name(taken, facts, suffix, hint, kind)
            self._give(folder / name)
        return folder / name

    def reserve(self, paths: Iterable[PurePosixPath | str]) -> None:
        """Make known names that were handed out earlier, relative to `root`."""
        with self._lock:
            for path in paths:
                self._give(PurePosixPath(path))

    def release(self, path: PurePosixPath | str) -> None:
        """Take back a name whose file will not be written."""
        place = PurePosixPath(path)
        with self._lock:
            self._given.get(_fold(place.parent), set()).discard(place.name.casefold())

    def _give(self, path: PurePosixPath) -> None:
        self._given.setdefault(_fold(path.parent), set()).add(path.name.casefold())

    def _free_name(
        self, taken: set[str], facts: NameFacts, suffix: str, hint: str, kind: Kind
    ) -> str:
        decoration = safe_part(hint) if hint else expand_name(self.patterns.name, facts)
        if hint or (kind == "image" and not self.patterns.add_number and decoration):
            return _unused(decoration, suffix, taken)
        if kind == "grid":
            return f"grid-{_next_number(taken, 'grid-'):04}.{suffix}"
        number = f"{_next_number(taken, ''):05}"
        return _fitted(f"{number}-{decoration}" if decoration else number, "", suffix)

    def _taken(self, folder: PurePosixPath) -> set[str]:
        """File names in `folder`, in one case: those on disk and those handed out."""
        given = self._given.setdefault(_fold(folder), set())
        try:
            with os.scandir(self.root / folder) as entries:
                present = {entry.name.casefold() for entry in entries}
        except FileNotFoundError:
            present = set[str]()
        except OSError as error:
            raise StorageError("The output folder cannot be read.", repr(error)) from error
        given -= present  # Written by now: the folder itself remembers these.
        return present | given

    def _check_inside(self, folder: PurePosixPath) -> None:
        """Refuse a folder that a link below the root leads out of it."""
        root = self.root.resolve()
        if not (root / folder).resolve().is_relative_to(root):
            raise StorageError("The output folder leads out of the outputs.", str(folder))


def _fold(path: PurePosixPath) -> str:
    # Windows and macOS take names that differ only in case for the same.
    return path.as_posix().casefold()


def _next_number(taken: set[str], prefix: str) -> int:
    highest = -1
    for name in taken:
        if name.startswith(prefix):
            found = _LEADING_NUMBER.match(name, len(prefix))
            if found:
                highest = max(highest, int(found[1]))
    return highest + 1


def _unused(stem: str, suffix: str, taken: set[str]) -> str:
    name, copy = _fitted(stem, "", suffix), 0
    while name.casefold() in taken:
        copy += 1
        name = _fitted(stem, f"-{copy}", suffix)
    return name


def _fitted(stem: str, ending: str, suffix: str) -> str:
    """stem + ending + .suffix within the length that every file system takes."""
    room = MAX_NAME_BYTES - len(f"{ending}.{suffix}".encode())
    cut = stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .")
    return f"{cut or '_'}{ending}.{suffix}"
