"""One server to a data folder: a lock that the operating system frees when its holder dies."""

import contextlib
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from webui.errors import Conflict, StorageError


class FolderLock:
    """Holds a folder for this process from construction to `release`.

    Raises Conflict, naming the process and host that hold it, if somebody else does.
    """

    def __init__(self, folder: Path) -> None:
        # The holder's name lies beside the lock: on Windows a locked file cannot be read.
        self._holder = folder / "server.pid"
        # One lock for the whole process: a server is often closed by another thread.
        self._lock = FileLock(folder / "server.lock", timeout=0, thread_local=False)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise Conflict(
                f"Another Palimpsest server ({self._read_holder()}) is using the data folder "
                f"{folder}. End that one, or give this one its own with --data-dir."
            ) from None
        except OSError as error:
            raise StorageError(f"The data folder {folder} cannot be used: {error}.") from error
        with contextlib.suppress(OSError):  # the name is a courtesy, the lock is what counts
            self._holder.write_text(
                f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8"
            )

    def _read_holder(self) -> str:
        try:
            return self._holder.read_text(encoding="utf-8").strip() or "its process is unknown"
        except (OSError, UnicodeDecodeError):
            return "its process is unknown"

    def release(self) -> None:
        """Give the folder free; safe to call twice."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._holder.unlink()
            self._lock.release()
