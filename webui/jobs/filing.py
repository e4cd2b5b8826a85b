"""Filing: how finished pictures reach the disk so that a power cut at any moment loses nothing.

A transaction stores each picture's final path and SHA-256 (its item is `filing`); then each file
is written under a temporary name, flushed, renamed, and its folder flushed; then a transaction
says `done`. At the next start a `filing` item whose files have those hashes becomes `done`; any
other runs again, to the same paths.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from webui.contract.events import Artifact
from webui.contract.items import Item
from webui.contract.request import AnyRequest
from webui.errors import StorageError
from webui.images.storage import AtomicFile
from webui.jobs import transitions
from webui.jobs.store import Store

Ending = Literal["done", "stopped"]
Step = Literal["reserved", "written", "renamed", "flushed", "done"]


class Namer(Protocol):
    """Chooses where a picture goes."""

    def path_for(
        self,
        request: AnyRequest,
        artifact: Artifact,
        hint: str,
        taken: Callable[[PurePosixPath], bool],
    ) -> PurePosixPath:
        """A path relative to the outputs folder, with its extension, that is not `taken`."""
        ...


@dataclass(frozen=True)
class _Place:
    """Where a picture goes; `again` if an earlier try may have left something there."""

    path: PurePosixPath
    again: bool


class Filing:
    """Writes pictures below `outputs`; `after` is told of each step, so that tests can die there.

    Only one thread files at a time (the runner's).
    """

    def __init__(
        self,
        store: Store,
        outputs: Path,
        namer: Namer,
        after: Callable[[Step], None] = lambda step: None,
    ) -> None:
        self._store = store
        self.outputs = outputs
        self._namer = namer
        self._after = after

    def file(self, job: int, item: Item, artifacts: Sequence[Artifact], ending: Ending) -> None:
        """File an item's pictures and write its last state.

        Raises StorageError where the disk refuses; the item stays `filing` then.
        """
        with self._store.write() as db:
            places = self._reserve_all(db, job, item, artifacts)
            transitions.begin_filing(self._store, db, job, item.index, ending)
        self._after("reserved")
        published: list[Path] = []
        try:
            for place, artifact in zip(places, artifacts, strict=True):
                self._write(place, artifact.data, published)
        except StorageError:
            self._take_back(job, item.index, published)
            raise
        self._conclude(job, item.index, ending)
        self._after("done")

    def recover(self) -> None:
        """Decide for each item that was being filed when the server ended."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT job, idx, ending FROM items WHERE state = 'filing' ORDER BY job, idx"
            ).fetchall()
            leftovers = db.execute("SELECT path FROM artifacts WHERE state = 'filing'").fetchall()
        for row in leftovers:
            self._file(PurePosixPath(row["path"])).discard()
        for row in rows:
            if self._arrived(row["job"], row["idx"]):
                self._conclude(row["job"], row["idx"], row["ending"])

    def _reserve_all(
        self, db: sqlite3.Connection, job: int, item: Item, artifacts: Sequence[Artifact]
    ) -> list["_Place"]:
        former = db.execute(
            "SELECT path, media_type FROM artifacts WHERE job = ? AND idx = ? ORDER BY n",
            (job, item.index),
        ).fetchall()
        db.execute("DELETE FROM artifacts WHERE job = ? AND idx = ?", (job, item.index))
        return [
            self._reserve(db, job, item, n, artifact, former[n] if n < len(former) else None)
            for n, artifact in enumerate(artifacts)
        ]

    def _reserve(
        self,
        db: sqlite3.Connection,
        job: int,
        item: Item,
        n: int,
        artifact: Artifact,
        former: sqlite3.Row | None,
    ) -> "_Place":
        """Store where a picture will lie; an item that runs again keeps the place it had."""
        again = former is not None and former["media_type"] == artifact.media_type
        if former is not None and again:
            path = PurePosixPath(former["path"])
        else:
            path = self._namer.path_for(
                item.request, artifact, item.output_hint, lambda p: self._taken(db, p)
            )
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise StorageError("A picture's name leads out of the outputs folder.", str(path))
        db.execute(
            "INSERT INTO artifacts (job, idx, n, role, state, path, media_type, width, height,"
            " seed, infotext, execution, sha256, size)"
            " VALUES (?, ?, ?, ?, 'filing', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                job,
                item.index,
                n,
                artifact.role,
                path.as_posix(),
                artifact.media_type,
                artifact.width,
                artifact.height,
                artifact.seed,
                artifact.infotext,
                artifact.execution.model_dump_json(),
                hashlib.sha256(artifact.data).hexdigest(),
                len(artifact.data),
            ),
        )
        return _Place(path, again)

    def _taken(self, db: sqlite3.Connection, path: PurePosixPath) -> bool:
        """Whether a file is there, or is promised to an item that has yet to run again."""
        row = db.execute("SELECT 1 FROM artifacts WHERE path = ?", (path.as_posix(),)).fetchone()
        return row is not None or (self.outputs / path).exists()

    def _write(self, place: "_Place", data: bytes, published: list[Path]) -> None:
        """Put bytes under their final name, whole or not at all."""
        file = self._file(place.path)
        file.write(data)
        self._after("written")
        file.publish(replace=place.again)
        published.append(file.target)
        self._after("renamed")
        file.settle()
        self._after("flushed")

    def _file(self, path: PurePosixPath) -> AtomicFile:
        # Its temporary name follows from the path: what a crash leaves is found without a search.
        key = hashlib.sha256(path.as_posix().encode()).hexdigest()[:16]
        return AtomicFile(self.outputs / path, key)

    def _take_back(self, job: int, index: int, published: Sequence[Path]) -> None:
        """Undo what was written of an item whose filing failed, and let its names go."""
        for path in published:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        with self._store.write() as db:
            db.execute("DELETE FROM artifacts WHERE job = ? AND idx = ?", (job, index))

    def _conclude(self, job: int, index: int, ending: Ending) -> None:
        with self._store.write() as db:
            db.execute(
                "UPDATE artifacts SET state = 'done' WHERE job = ? AND idx = ?", (job, index)
            )
            transitions.end_item(self._store, job, index, ending)

    def _arrived(self, job: int, index: int) -> bool:
        with self._store.read() as db:
            rows = db.execute(
                "SELECT path, sha256 FROM artifacts WHERE job = ? AND idx = ?", (job, index)
            ).fetchall()
        return bool(rows) and all(_hash(self.outputs / r["path"]) == r["sha256"] for r in rows)


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
