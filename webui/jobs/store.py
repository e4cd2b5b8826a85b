"""The job store: one SQLite file, one writer, and the clock that numbers every change."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

from webui.errors import StorageError
from webui.jobs.lock import FolderLock
from webui.jobs.schema import migrate

NUMBERS_PER_BOOT = 1_000_000_000
"""Numbers of one run of the server; JavaScript holds nine million runs of them exactly."""


class Store:
    """`jobs.sqlite3` in the data folder, held against a second server.

    Raises Conflict if another server holds the folder, StorageError if it cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = FolderLock(folder)
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        try:
            self._writer = _connect(folder / "jobs.sqlite3")
            migrate(self._writer)
            self._reader = _connect(folder / "jobs.sqlite3")
            with self.write() as db:
                boot = db.execute("INSERT INTO boots (at) VALUES (?)", (time.time(),)).lastrowid
        except sqlite3.Error as error:
            self._lock.release()
            raise StorageError(
                f"The job store in {folder} cannot be opened: {error}.", repr(error)
            ) from error
        except BaseException:
            self._lock.release()
            raise
        # Numbers go on rising over restarts, also past those that were told to a page but never
        # written (progress), so that `since` means the same before and after.
        self._number = (boot or 1) * NUMBERS_PER_BOOT

    def tick(self) -> int:
        """The next sequence number: larger than every one before it, whatever the clock says.

        It waits for a transaction in another thread: who has seen a number can see every change
        with a smaller one.
        """
        with self._writing:
            self._number += 1
            return self._number

    @contextlib.contextmanager
    def write(self) -> Generator[sqlite3.Connection, None, None]:
        """A transaction that is on disk when the block has been left; an error undoes it all."""
        with self._writing:
            db = self._writer
            outermost = not db.in_transaction
            try:
                if outermost:
                    db.execute("BEGIN IMMEDIATE")
                yield db
                if outermost:
                    db.execute("COMMIT")
            except sqlite3.Error as error:
                _undo(db, outermost)
                raise StorageError(f"The job store refused a change: {error}.") from error
            except BaseException:
                _undo(db, outermost)
                raise
        if outermost:
            self.announce()

    @contextlib.contextmanager
    def read(self) -> Generator[sqlite3.Connection, None, None]:
        """One consistent view of the store; never waits for a writer's disk."""
        with self._reading:
            db = self._reader
            db.execute("BEGIN")
            try:
                yield db
            except sqlite3.Error as error:
                raise StorageError(f"The job store cannot be read: {error}.") from error
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, which must not block, after every change."""
        self._listeners.append(listener)

    def announce(self) -> None:
        """Tell every listener that something changed."""
        for listener in tuple(self._listeners):
            listener()

    def close(self) -> None:
        """Close the file and give the folder free; safe to call twice."""
        self._listeners.clear()
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()
        self._lock.release()


def _undo(db: sqlite3.Connection, outermost: bool) -> None:
    if outermost and db.in_transaction:
        db.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    return db
