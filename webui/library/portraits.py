"""Preview pictures that people choose for cards, in a folder of ours: nothing beside a model."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from webui.errors import StorageError

ENDING = ".webp"


class Portraits:
    """One small picture for each card that has one, by the card's key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def marks(self) -> Mapping[str, int]:
        """The time of every picture's last change in milliseconds, by its file's name."""
        try:
            with os.scandir(self._folder) as entries:
                return {entry.name: entry.stat().st_mtime_ns // 1_000_000 for entry in entries}
        except OSError:  # nobody has chosen a picture yet
            return {}

    def path(self, key: str) -> Path:
        """Where the picture of the card `key` lies, or would."""
        return self._folder / self.name(key)

    def name(self, key: str) -> str:
        """The file's name, which no card's name can lead astray."""
        return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32] + ENDING

    def put(self, key: str, picture: bytes) -> None:
        """Keep the bytes of a WebP; raises StorageError."""
        path = self.path(key)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(picture)
            fresh.replace(path)
        except OSError as error:
            raise StorageError("The picture could not be kept.", str(error)) from error

    def drop(self, key: str) -> None:
        """Forget the picture; raises StorageError."""
        try:
            self.path(key).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError("The picture could not be taken away.", str(error)) from error
