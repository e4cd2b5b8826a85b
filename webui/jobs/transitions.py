"""Every change of a job's or an item's state; each function is one transaction."""

import json
import sqlite3
import time
from collections.abc import Sequence

from webui.contract.items import Plan
from webui.contract.request import AnyRequest
from webui.contract.worker import StopMode
from webui.errors import Conflict, NotFound
from webui.jobs.store import Store
from webui.jobs.views import ENDED_JOB_STATES, ErrorView, ItemState, JobState

_UNENDED = ("queued", "running", "paused")
_RESUMABLE = ("paused", "stopped", "failed")


def submit(store: Store, request: AnyRequest, plan: Plan, owner: str) -> int:
    """Store a job and all its items; returns the job's id."""
    with store.write() as db:
        number = store.tick()
        job = db.execute(
            "INSERT INTO jobs (owner, state, mode, request, created, changed)"
            " VALUES (?, 'queued', ?, ?, ?, ?)",
            (owner, request.mode, request.model_dump_json(), time.time(), number),
        ).lastrowid
        assert job is not None
        db.executemany(
            "INSERT INTO items (job, idx, state, labels, hint, seed, request, changed)"
            " VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?)",
            [
                (
                    job,
                    item.index,
                    json.dumps(item.labels),
                    item.output_hint,
                    item.request.noise.seed,
                    item.request.model_dump_json(),
                    number,
                )
                for item in plan.items
            ],
        )
        db.executemany(
            "INSERT INTO needs (job, idx, need) VALUES (?, ?, ?)",
            [(job, item.index, need) for item in plan.items for need in set(item.needs)],
        )
    return job


def claim(store: Store, job: int, indices: Sequence[int]) -> bool:
    """Take waiting items for a run; False (and no change) where one was taken back meanwhile."""
    with store.write() as db:
        row = db.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()
        if row is None or row["state"] not in ("queued", "running"):
            return False
        if any(_state(db, job, index) != "waiting" for index in indices):
            return False
        for index in indices:
            db.execute(
                "UPDATE items SET state = 'running', attempts = attempts + 1, error = NULL,"
                " changed = ? WHERE job = ? AND idx = ?",
                (store.tick(), job, index),
            )
        if row["state"] == "queued":
            db.execute(
                "UPDATE jobs SET state = 'running', started = coalesce(started, ?), changed = ?"
                " WHERE id = ?",
                (time.time(), store.tick(), job),
            )
    return True


def end_item(
    store: Store, job: int, index: int, state: ItemState, error: ErrorView | None = None
) -> None:
    """Write an item's last state, block what needed it if it has no result, settle the job."""
    with store.write() as db:
        _set_item(store, db, job, index, state, error)
        if state in ("failed", "cancelled"):
            _block(store, db, job, index)
        _settle(store, db, job)


def lose_item(store: Store, job: int, index: int, limit: int, error: ErrorView) -> bool:
    """Note that a worker died on this item: back to waiting, or failed the `limit`-th time.

    In a job that was told to end it is cancelled. Returns whether it will be tried again.
    """
    with store.write() as db:
        db.execute("UPDATE items SET losses = losses + 1 WHERE job = ? AND idx = ?", (job, index))
        losses = db.execute(
            "SELECT losses FROM items WHERE job = ? AND idx = ?", (job, index)
        ).fetchone()["losses"]
        if job_row(db, job)["intent"]:
            end_item(store, job, index, "cancelled")
        elif losses < limit:
            _set_item(store, db, job, index, "waiting")
            return True
        else:
            end_item(store, job, index, "failed", error)
    return False


def fail_waiting(store: Store, job: int, error: ErrorView) -> None:
    """Fail every item of a job that has not ended, as when no worker can be had."""
    with store.write() as db:
        for row in db.execute(
            "SELECT idx FROM items WHERE job = ? AND state IN ('waiting', 'running')", (job,)
        ).fetchall():
            _set_item(store, db, job, row["idx"], "failed", error)
        _settle(store, db, job)


def pause(store: Store, job: int, error: ErrorView | None = None) -> None:
    """Interrupt a job so that it can be resumed; the error says why, None keeps the one it has."""
    with store.write() as db:
        for row in db.execute(
            "SELECT idx FROM items WHERE job = ? AND state IN ('running', 'filing')", (job,)
        ).fetchall():
            _set_item(store, db, job, row["idx"], "waiting")
        db.execute(
            "UPDATE jobs SET state = 'paused', error = coalesce(?, error), changed = ?"
            " WHERE id = ? AND state IN ('queued', 'running', 'paused')",
            (_dump(error), store.tick(), job),
        )
        _settle(store, db, job)


def stop(store: Store, job: int, mode: StopMode) -> bool:
    """Cancel what was not begun and remember the wish; False where the job has ended before.

    `cancel` overrules an earlier `stop`, never the other way round.
    """
    with store.write() as db:
        row = job_row(db, job)
        if row["state"] in ENDED_JOB_STATES:
            return False
        if row["intent"] != "cancel":
            db.execute("UPDATE jobs SET intent = ? WHERE id = ?", (mode, job))
        for item in db.execute(
            "SELECT idx FROM items WHERE job = ? AND state = 'waiting'", (job,)
        ).fetchall():
            _set_item(store, db, job, item["idx"], "cancelled")
        _settle(store, db, job)
    return True


def resume(store: Store, job: int) -> None:
    """Let a job go on with every item that has no result; finished ones stay as they are.

    Raises Conflict where the job runs, is done, or was cancelled.
    """
    with store.write() as db:
        row = job_row(db, job)
        if row["state"] not in _RESUMABLE:
            raise Conflict(f"Job {job} is {row['state']}: there is nothing to continue.")
        for item in db.execute(
            "SELECT idx FROM items WHERE job = ?"
            " AND state IN ('waiting', 'failed', 'cancelled', 'blocked')",
            (job,),
        ).fetchall():
            _set_item(store, db, job, item["idx"], "waiting")
        db.execute("UPDATE items SET losses = 0 WHERE job = ?", (job,))
        db.execute(
            "UPDATE jobs SET state = 'queued', intent = '', error = NULL, finished = NULL,"
            " changed = ? WHERE id = ?",
            (store.tick(), job),
        )
        _settle(store, db, job)


def note(store: Store, job: int, sentence: str) -> None:
    """Add a sentence for the user to a job, once."""
    with store.write() as db:
        notices: list[str] = json.loads(job_row(db, job)["notices"])
        if sentence not in notices:
            db.execute(
                "UPDATE jobs SET notices = ?, changed = ? WHERE id = ?",
                (json.dumps([*notices, sentence]), store.tick(), job),
            )


def job_row(db: sqlite3.Connection, job: int) -> sqlite3.Row:
    """The job's row; raises NotFound."""
    row = db.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
    if row is None:
        raise NotFound("job", str(job))
    return row


def begin_filing(store: Store, db: sqlite3.Connection, job: int, index: int, ending: str) -> None:
    """Within a transaction: the item's results are known, and their files are being written."""
    db.execute(
        "UPDATE items SET state = 'filing', ending = ?, changed = ? WHERE job = ? AND idx = ?",
        (ending, store.tick(), job, index),
    )


def _state(db: sqlite3.Connection, job: int, index: int) -> str:
    row = db.execute("SELECT state FROM items WHERE job = ? AND idx = ?", (job, index)).fetchone()
    return "" if row is None else str(row["state"])


def _set_item(
    store: Store,
    db: sqlite3.Connection,
    job: int,
    index: int,
    state: ItemState,
    error: ErrorView | None = None,
) -> None:
    db.execute(
        "UPDATE items SET state = ?, error = ?, changed = ? WHERE job = ? AND idx = ?",
        (state, _dump(error), store.tick(), job, index),
    )
    if state in ("failed", "cancelled"):  # the file names that it had reserved are free again
        db.execute(
            "DELETE FROM artifacts WHERE job = ? AND idx = ? AND state = 'filing'", (job, index)
        )


def _block(store: Store, db: sqlite3.Connection, job: int, index: int) -> None:
    rows = db.execute(
        "WITH RECURSIVE hit (idx) AS (SELECT idx FROM needs WHERE job = :job AND need = :index"
        " UNION SELECT needs.idx FROM needs JOIN hit ON needs.need = hit.idx WHERE job = :job)"
        " SELECT idx FROM items WHERE job = :job AND state = 'waiting' AND idx IN hit",
        {"job": job, "index": index},
    ).fetchall()
    for row in rows:
        _set_item(store, db, job, row["idx"], "blocked")


def _settle(store: Store, db: sqlite3.Connection, job: int) -> None:
    """Write the job's last state when none of its items is open any more."""
    row = job_row(db, job)
    if row["state"] not in _UNENDED:
        return
    states = {
        r["state"] for r in db.execute("SELECT DISTINCT state FROM items WHERE job = ?", (job,))
    }
    if states & {"waiting", "running", "filing"}:
        return
    db.execute(
        "UPDATE jobs SET state = ?, finished = ?, changed = ? WHERE id = ?",
        (_last_state(row["intent"], states), time.time(), store.tick(), job),
    )


def _last_state(intent: str, states: set[str]) -> JobState:
    if states <= {"done"}:  # a wish that came too late changed nothing
        return "done"
    if intent == "cancel":
        return "cancelled"
    if intent == "stop":
        return "stopped"
    return "failed" if states & {"failed", "blocked"} else "done"


def _dump(error: ErrorView | None) -> str | None:
    return None if error is None else error.model_dump_json()
