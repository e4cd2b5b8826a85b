"""Which items run next: whose turn it is, what is ready, and what may share a forward pass."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webui.contract.items import Item
from webui.contract.request import AnyRequest
from webui.jobs.records import item_of


@dataclass(frozen=True)
class Waiting:
    """A job that waits for its turn: what an order between jobs may look at."""

    job: int
    owner: str
    running: bool


@dataclass(frozen=True)
class Batch:
    """Items of one job that go to a worker together."""

    job: int
    items: tuple[Item, ...]

    @property
    def indices(self) -> tuple[int, ...]:
        """The positions of the items in their job."""
        return tuple(item.index for item in self.items)


Order = Callable[[Sequence[Waiting]], Sequence[Waiting]]
"""Brings waiting jobs, given in order of submission, into the order in which they get a turn."""


def first_come(jobs: Sequence[Waiting]) -> Sequence[Waiting]:
    """A job runs to its end before the one submitted after it begins."""
    return jobs


def next_batch(db: sqlite3.Connection, order: Order = first_come) -> Batch | None:
    """The items to run now, or None where nothing is ready."""
    rows = db.execute(
        "SELECT id, owner, state FROM jobs WHERE state IN ('queued', 'running') ORDER BY id"
    ).fetchall()
    waiting = [Waiting(row["id"], row["owner"], row["state"] == "running") for row in rows]
    for job in order(waiting):
        batch = _ready_batch(db, job.job)
        if batch is not None:
            return batch
    return None


def _ready_batch(db: sqlite3.Connection, job: int) -> Batch | None:
    """The first ready item of a job, with its like-shaped neighbours if its request packs."""
    first = _first_ready(db, job)
    if first is None:
        return None
    items = [item_of(db, job, first["idx"])]
    limit = items[0].request.sampling.pack
    # An item that a worker died on runs alone, so that it cannot take its neighbours with it.
    while len(items) < limit and not first["losses"]:
        following = _first_ready(db, job, after=items[-1].index)
        if following is None or following["idx"] != items[-1].index + 1 or following["losses"]:
            break
        item = item_of(db, job, following["idx"])
        if not same_but_for_seeds(items[0].request, item.request):
            break
        items.append(item)
    return Batch(job, tuple(items))


def _first_ready(db: sqlite3.Connection, job: int, after: int = -1) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT idx, losses FROM items WHERE job = ? AND state = 'waiting' AND idx > ?"
        " AND NOT EXISTS (SELECT 1 FROM needs JOIN items AS source"
        "   ON source.job = needs.job AND source.idx = needs.need"
        "   WHERE needs.job = items.job AND needs.idx = items.idx"
        "   AND source.state NOT IN ('done', 'stopped'))"
        " ORDER BY idx LIMIT 1",
        (job, after),
    ).fetchone()
    return row


def same_but_for_seeds(one: AnyRequest, other: AnyRequest) -> bool:
    """Whether two requests differ in nothing but their seeds."""
    return _seedless(one) == _seedless(other)


def _seedless(request: AnyRequest) -> AnyRequest:
    noise = request.noise.model_copy(update={"seed": 0, "variation_seed": 0})
    return request.model_copy(update={"noise": noise})
