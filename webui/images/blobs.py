"""Input pictures, kept under the hash of their bytes."""

import contextlib
import hashlib
import os
import time
from pathlib import Path

from webui.contract.request import Blob
from webui.errors import NotFound, StorageError
from webui.images.decode import DEFAULT_LIMITS, DecodeLimits, decode_image
from webui.images.storage import remove_leftovers, write_file


class BlobStore:
    """A folder of pictures by SHA-256, in folders two levels deep.

    Putting the same bytes twice keeps one file. Safe to use from several threads and processes.
    """

    def __init__(self, folder: Path, limits: DecodeLimits = DEFAULT_LIMITS) -> None:
        self.folder = folder
        self.limits = limits

    def put(self, data: bytes, field: str) -> Blob:
        """Keep a picture, after decoding it once through the guarded door.

        Raises InvalidRequest or TooLarge naming `field`, and StorageError.
        """
        decode_image(data, field, self.limits)
        blob = Blob(sha256=hashlib.sha256(data).hexdigest())
        path = self.path(blob)
        if self._holds(path, data):
            # A fresh time keeps the picture from being pruned before its job is stored.
            with contextlib.suppress(OSError):
                os.utime(path)
        else:
            write_file(path, data, replace=True)
        return blob

    def has(self, blob: Blob) -> bool:
        """Whether the picture is kept here."""
        return self.path(blob).is_file()

    def read(self, blob: Blob) -> bytes:
        """The bytes of a kept picture; raises NotFound, and StorageError where they changed."""
        try:
            data = _read_no_follow(self.path(blob))
        except FileNotFoundError as error:
            raise NotFound("kept picture", blob.sha256[:12]) from error
        except OSError as error:
            raise StorageError("A kept picture could not be read.", repr(error)) from error
        if hashlib.sha256(data).hexdigest() != blob.sha256:
            raise StorageError("A kept picture has been damaged on disk.", blob.sha256)
        return data

    def path(self, blob: Blob) -> Path:
        """Where the picture lies, whether or not it is there."""
        name = blob.sha256
        return self.folder / name[:2] / name[2:4] / name

    def prune(self, keep: set[str], older_than_s: float) -> int:
        """Remove pictures older than this whose hash is not in `keep`; returns how many."""
        removed = 0
        newest = time.time() - older_than_s
        for path in list(self.folder.glob("??/??/*")):
            if path.name in keep or len(path.name) != 64:
                continue
            with contextlib.suppress(OSError):
                if path.lstat().st_mtime <= newest:
                    path.unlink()
                    removed += 1
        remove_leftovers(self.folder, older_than_s)
        return removed

    def _holds(self, path: Path, data: bytes) -> bool:
        try:
            return path.stat().st_size == len(data) and _read_no_follow(path) == data
        except OSError:
            return False


def _read_no_follow(path: Path) -> bytes:
    """The file's bytes, refusing a symbolic link at its place."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        return file.read()
