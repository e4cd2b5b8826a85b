"""SHA-256 of model files, remembered by size and time so that a file is read once."""

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import cast

log = logging.getLogger(__name__)

CHUNK = 1 << 20


class HashCache:
    """Hashes in a JSON file that several processes may read and replace as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, file: Path) -> str | None:
        """The hash of `file` if it was computed for its present size and time."""
        entry = self._entries().get(str(file))
        return entry["sha256"] if entry and entry["stamp"] == _stamp(file) else None

    def sha256(self, file: Path) -> str:
        """The hash of `file`, computed when it is not known."""
        known = self.known(file)
        if known is not None:
            return known
        stamp = _stamp(file)
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        self._remember(file, stamp, digest.hexdigest())
        return digest.hexdigest()

    def _entries(self) -> dict[str, dict[str, str]]:
        try:
            loaded = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return cast("dict[str, dict[str, str]]", loaded) if isinstance(loaded, dict) else {}

    def _remember(self, file: Path, stamp: str, sha256: str) -> None:
        entries = self._entries()
        entries[str(file)] = {"stamp": stamp, "sha256": sha256}
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(entries, indent=1), encoding="utf-8")
            fresh.replace(self._path)
        except OSError as error:  # a lost cache costs time, not pictures
            log.warning("the hash of %s could not be remembered: %s", file.name, error)


def _stamp(file: Path) -> str:
    status = file.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"
