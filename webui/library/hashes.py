"""SHA-256 of model files, remembered by size and time so that a file is read once."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

log = logging.getLogger(__name__)

CHUNK = 1 << 20
OLD_START, OLD_LENGTH, OLD_DIGITS = 1 << 20, 1 << 16, 8


class HashCache:
    """Hashes in a JSON file that several processes may read and replace as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[str, dict[str, dict[str, str]]] = ("", {})

    @property
    def path(self) -> Path:
        """The file, for another process that wants to share it."""
        return self._path

    def known(self, file: Path) -> str | None:
        """The hash of `file` if it was computed for its present size and time."""
        return self._known(str(file), file)

    def sha256(self, file: Path) -> str:
        """The hash of `file`, computed when it is not known."""
        return self._hashed(str(file), file, lambda: 0)

    def known_tensors(self, file: Path) -> str | None:
        """What `tensors_sha256` gives, if it was computed for the file's present state."""
        return self._known(_tensors(file), file)

    def tensors_sha256(self, file: Path) -> str:
        """The hash of a safetensors file without its header, which people edit."""
        return self._hashed(_tensors(file), file, lambda: _header_end(file))

    def version(self) -> str:
        """Another text whenever any hash was added."""
        try:
            return _stamp(self._path)
        except OSError:
            return ""

    def _known(self, key: str, file: Path) -> str | None:
        entry = self._entries().get(key)
        try:
            return entry["sha256"] if entry and entry["stamp"] == _stamp(file) else None
        except OSError:  # gone since it was listed
            return None

    def _hashed(self, key: str, file: Path, start: Callable[[], int]) -> str:
        known = self._known(key, file)
        if known is not None:
            return known
        stamp = _stamp(file)
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            stream.seek(start())
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        self._remember(key, stamp, digest.hexdigest())
        return digest.hexdigest()

    def _entries(self) -> dict[str, dict[str, str]]:
        """What the file says now; read again only when it was replaced."""
        try:
            stamp = _stamp(self._path)
            if stamp != self._read[0]:
                loaded = json.loads(self._path.read_text(encoding="utf-8"))
                entries = cast("dict[str, dict[str, str]]", loaded)
                self._read = (stamp, entries if isinstance(loaded, dict) else {})
        except (OSError, ValueError):
            return {}
        return self._read[1]

    def _remember(self, key: str, stamp: str, sha256: str) -> None:
        entries = dict(self._entries())
        entries[key] = {"stamp": stamp, "sha256": sha256}
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(entries, indent=1), encoding="utf-8")
            fresh.replace(self._path)
        except OSError as error:  # a lost cache costs time, not pictures
            log.warning("the hash of %s could not be remembered: %s", key, error)


def old_hash(file: Path) -> str:
    """The eight letters of the oldest infotexts: of 64 KiB behind the first MiB of the file.

    Empty for a file that ends before; raises OSError where it cannot be read.
    """
    with file.open("rb") as stream:
        stream.seek(OLD_START)
        part = stream.read(OLD_LENGTH)
    return hashlib.sha256(part).hexdigest()[:OLD_DIGITS] if part else ""


def _stamp(file: Path) -> str:
    status = file.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"


def _tensors(file: Path) -> str:
    return f"{file}#tensors"


def _header_end(file: Path) -> int:
    """Where the tensors of a safetensors file begin; 0 for what is none."""
    with file.open("rb") as stream:
        end = 8 + int.from_bytes(stream.read(8), "little")
    return end if end <= file.stat().st_size else 0
