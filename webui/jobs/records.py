"""Reading the store: rows made into views."""

import json
import sqlite3
from collections.abc import Collection

from pydantic import TypeAdapter

from webui.contract.items import Item
from webui.contract.request import AnyRequest
from webui.errors import NotFound
from webui.jobs.transitions import job_row
from webui.jobs.views import ArtifactView, ErrorView, ItemView, JobChanged, JobState, JobView

_request: TypeAdapter[AnyRequest] = TypeAdapter(AnyRequest)
_labels: TypeAdapter[tuple[tuple[str, str], ...]] = TypeAdapter(tuple[tuple[str, str], ...])

_FINISHED_ITEMS = "('done', 'stopped', 'failed', 'cancelled', 'blocked')"


def job_view(db: sqlite3.Connection, job: int) -> JobView:
    """The job as it is stored, without what only the running worker knows; raises NotFound."""
    row = job_row(db, job)
    items = item_views(db, job)
    ended = sum(item.state not in ("waiting", "running", "filing") for item in items)
    return JobView(
        id=row["id"],
        owner=row["owner"],
        state=row["state"],
        mode=row["mode"],
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        request=_request.validate_json(row["request"]),
        items=items,
        fraction=ended / len(items) if items else 1.0,
        notices=tuple(json.loads(row["notices"])),
        error=_error(row["error"]),
        changed=max([row["changed"], *(item.changed for item in items)]),
    )


def item_views(db: sqlite3.Connection, job: int, since: int = 0) -> tuple[ItemView, ...]:
    """The job's items that changed after `since`, in order, with their filed pictures."""
    pictures: dict[int, list[ArtifactView]] = {}
    for row in db.execute(
        "SELECT artifacts.* FROM artifacts JOIN items USING (job, idx) WHERE job = ?"
        " AND artifacts.state = 'done' AND items.changed > ? ORDER BY idx, n",
        (job, since),
    ):
        pictures.setdefault(row["idx"], []).append(artifact_view(row))
    return tuple(
        ItemView(
            index=row["idx"],
            state=row["state"],
            labels=_labels.validate_json(row["labels"]),
            seed=row["seed"],
            attempts=row["attempts"],
            error=_error(row["error"]),
            artifacts=tuple(pictures.get(row["idx"], ())),
            changed=row["changed"],
        )
        for row in db.execute(
            "SELECT idx, state, labels, seed, attempts, error, changed FROM items"
            " WHERE job = ? AND changed > ? ORDER BY idx",
            (job, since),
        )
    )


def job_change(db: sqlite3.Connection, job: int) -> tuple[int, JobChanged]:
    """The job's own state with the number of its last change; raises NotFound."""
    row = job_row(db, job)
    ended, total = db.execute(
        f"SELECT coalesce(sum(state IN {_FINISHED_ITEMS}), 0), count(*) FROM items WHERE job = ?",
        (job,),
    ).fetchone()
    return row["changed"], JobChanged(
        id=job,
        state=row["state"],
        fraction=ended / total if total else 1.0,
        notices=tuple(json.loads(row["notices"])),
        error=_error(row["error"]),
        started=row["started"],
        finished=row["finished"],
    )


def newest_jobs(
    db: sqlite3.Connection, limit: int, states: Collection[JobState] | None
) -> tuple[int, ...]:
    """Ids of the newest jobs, newest first."""
    if states is None:
        rows = db.execute("SELECT id FROM jobs ORDER BY id DESC LIMIT ?", (limit,))
    else:
        marks = ", ".join("?" * len(states))
        rows = db.execute(
            f"SELECT id FROM jobs WHERE state IN ({marks}) ORDER BY id DESC LIMIT ?",
            (*states, limit),
        )
    return tuple(row["id"] for row in rows)


def current_job(db: sqlite3.Connection) -> int | None:
    """The running job, else the first that is queued."""
    row = db.execute(
        "SELECT id FROM jobs WHERE state IN ('running', 'queued')"
        " ORDER BY state = 'queued', id LIMIT 1"
    ).fetchone()
    return None if row is None else int(row["id"])


def count_jobs(db: sqlite3.Connection, state: JobState) -> int:
    """How many jobs are in a state."""
    return int(db.execute("SELECT count(*) FROM jobs WHERE state = ?", (state,)).fetchone()[0])


def count_waiting(db: sqlite3.Connection, job: int) -> int:
    """How many items of a job wait for their turn."""
    return int(
        db.execute(
            "SELECT count(*) FROM items WHERE job = ? AND state = 'waiting'", (job,)
        ).fetchone()[0]
    )


def item_of(db: sqlite3.Connection, job: int, index: int) -> Item:
    """The concrete item as it was planned."""
    row = db.execute(
        "SELECT labels, hint, request FROM items WHERE job = ? AND idx = ?", (job, index)
    ).fetchone()
    return Item(
        index=index,
        request=_request.validate_json(row["request"]),
        labels=_labels.validate_json(row["labels"]),
        output_hint=row["hint"],
    )


def filed_artifact(db: sqlite3.Connection, id: int) -> ArtifactView:
    """A filed picture by its id; raises NotFound."""
    row = db.execute("SELECT * FROM artifacts WHERE id = ? AND state = 'done'", (id,)).fetchone()
    if row is None:
        raise NotFound("picture", str(id))
    return artifact_view(row)


def output_of(db: sqlite3.Connection, job: int, item: int, n: int) -> ArtifactView | None:
    """The n-th picture (by role "image") of an item of the job, if it was filed."""
    row = db.execute(
        "SELECT * FROM artifacts WHERE job = ? AND idx = ? AND state = 'done'"
        " AND role = 'image' ORDER BY n LIMIT 1 OFFSET ?",
        (job, item, n),
    ).fetchone()
    return None if row is None else artifact_view(row)


def artifact_view(row: sqlite3.Row) -> ArtifactView:
    """The view of a row of `artifacts`."""
    return ArtifactView(
        id=row["id"],
        item=row["idx"],
        n=row["n"],
        role=row["role"],
        path=row["path"],
        media_type=row["media_type"],
        width=row["width"],
        height=row["height"],
        seed=row["seed"],
        infotext=row["infotext"],
        sha256=row["sha256"],
        size=row["size"],
    )


def _error(text: str | None) -> ErrorView | None:
    return None if text is None else ErrorView.model_validate_json(text)
