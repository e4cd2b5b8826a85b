"""The live view: durable facts from the store, and the progress that only memory knows.

Nothing is queued for a reader. It holds the number of the last change that it saw, and asks for
what came after; a slow or sleeping reader costs nothing and gets the latest state.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Generator, Sequence
from dataclasses import dataclass, field

from webui.contract.events import Preview, Progress
from webui.jobs import records
from webui.jobs.meter import Meter
from webui.jobs.store import Store
from webui.jobs.views import (
    ENDED_JOB_STATES,
    Heartbeat,
    ItemChanged,
    JobView,
    LiveEvent,
    Previewed,
    Progressed,
    Snapshot,
)

_BREATH = 0.05
"""Seconds in which changes are gathered before a reader is given them."""


@dataclass
class _Show:
    """What is known of the running job beyond the store."""

    job: int
    meter: Meter = field(default_factory=Meter)
    fractions: dict[int, float] = field(default_factory=dict[int, float])
    progress: Progress | None = None
    progress_seq: int = 0
    preview: Preview | None = None
    preview_seq: int = 0

    @property
    def fraction(self) -> float:
        """How far the present run is, all its items together."""
        return sum(self.fractions.values()) / len(self.fractions) if self.fractions else 0.0


class Live:
    """Told by the runner what happens, asked by the faces what there is to show."""

    def __init__(self, store: Store, heartbeat: float = 15.0) -> None:
        self._store = store
        self._heartbeat = heartbeat
        self._guard = threading.Lock()
        self._changed = threading.Condition()
        self._show: _Show | None = None
        self._bells: set[_Bell] = set()
        self._closed = False
        store.listen(self._ring)

    def begin(self, job: int, indices: Sequence[int]) -> None:
        """A run of items begins."""
        with self._guard:
            if self._show is None or self._show.job != job:
                self._show = _Show(job)
            self._show.fractions = dict.fromkeys(indices, 0.0)
            self._show.progress = None
            self._show.meter.begin(len(indices))

    def progress(self, job: int, event: Progress) -> None:
        """An item moved on."""
        number = self._store.tick()
        with self._guard:
            show = self._show
            if show is None or show.job != job:
                return
            show.fractions[event.item] = event.fraction
            show.progress, show.progress_seq = event, number
            show.meter.observe(show.fraction)
        self._ring()

    def preview(self, job: int, event: Preview) -> None:
        """There is a new preview; the one before it is forgotten."""
        number = self._store.tick()
        with self._guard:
            show = self._show
            if show is None or show.job != job:
                return
            show.preview, show.preview_seq = event, number
        self._ring()

    def end(self, job: int) -> None:
        """The run of items has ended."""
        with self._guard:
            if self._show is not None and self._show.job == job:
                self._show.meter.end()
                self._show.fractions = {}
                self._show.progress = None

    def view(self, id: int) -> JobView:
        """The job with its present progress; raises NotFound."""
        return self.snapshot(id).job

    def snapshot(self, id: int, since: int = 0) -> Snapshot:
        """All there is to show now; the preview only if it is newer than `since`."""
        show = self._show_of(id)
        with self._store.read() as db:
            job = records.job_view(db, id)
        if job.state != "running" or show is None:
            return Snapshot(seq=job.changed, job=job)
        preview = show.preview
        return Snapshot(
            seq=max(job.changed, show.progress_seq, show.preview_seq),
            job=_overlaid(job, show),
            preview=preview.jpeg if preview and show.preview_seq > since else None,
            preview_seq=show.preview_seq,
            preview_item=preview.item if preview else None,
        )

    async def events(self, id: int, since: int = 0) -> AsyncIterator[tuple[int, LiveEvent]]:
        """What changed after `since`, then what changes, until the job has ended."""
        cursor = since
        with self._bell() as bell:
            while not self._closed:
                bell.event.clear()
                changes, ended = await asyncio.to_thread(self._changes, id, cursor)
                for number, event in changes:
                    cursor = max(cursor, number)
                    yield number, event
                if ended:
                    return
                if not await bell.wait(self._heartbeat):
                    yield cursor, Heartbeat()
                await asyncio.sleep(_BREATH)

    def wait(self, id: int, timeout: float | None = None) -> JobView:
        """Block until the job has ended or is paused, or the time is over; then show it."""

        def over() -> bool:
            with self._store.read() as db:
                state = records.job_change(db, id)[1].state
            return state in ENDED_JOB_STATES or state == "paused" or self._closed

        with self._changed:
            self._changed.wait_for(over, timeout)
        return self.view(id)

    def close(self) -> None:
        """End every stream of events."""
        self._closed = True
        self._ring()

    def _show_of(self, job: int) -> _Show | None:
        """A copy of what is shown of a job, so that it stays whole while it is read."""
        with self._guard:
            show = self._show
            if show is None or show.job != job:
                return None
            return _Show(
                job,
                show.meter,
                dict(show.fractions),
                show.progress,
                show.progress_seq,
                show.preview,
                show.preview_seq,
            )

    def _changes(self, id: int, since: int) -> tuple[list[tuple[int, LiveEvent]], bool]:
        # What memory knows is read before the store: then no number that is told is above one
        # of a change that the store had yet to show.
        show = self._show_of(id)
        with self._store.read() as db:
            number, job = records.job_change(db, id)
            items = records.item_views(db, id, since)
            waiting = records.count_waiting(db, id) if show else 0
        ended = job.state in ENDED_JOB_STATES or job.state == "paused"
        changes: list[tuple[int, LiveEvent]] = [(i.changed, ItemChanged(item=i)) for i in items]
        if show is not None and not ended:
            changes += _transient(show, since, waiting)
        if number > since and not ended:
            changes.append((number, job))
        changes.sort(key=lambda change: change[0])
        if ended:  # told in any case, and last
            changes.append((max(number, since), job))
        return changes, ended

    @contextlib.contextmanager
    def _bell(self) -> Generator["_Bell", None, None]:
        bell = _Bell(asyncio.get_running_loop())
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)

    def _ring(self) -> None:
        for bell in tuple(self._bells):
            bell.ring()
        with self._changed:
            self._changed.notify_all()


class _Bell:
    """Wakes one reader in its event loop, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.event = asyncio.Event()

    def ring(self) -> None:
        """Wake the reader; nothing happens where its loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.event.set)

    async def wait(self, seconds: float) -> bool:
        """Whether the bell rang in this time."""
        try:
            await asyncio.wait_for(self.event.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _transient(show: _Show, since: int, waiting: int) -> list[tuple[int, LiveEvent]]:
    found: list[tuple[int, LiveEvent]] = []
    progress, preview = show.progress, show.preview
    if progress is not None and show.progress_seq > since:
        eta = show.meter.eta(show.fraction, waiting)
        found.append(
            (
                show.progress_seq,
                Progressed(
                    item=progress.item,
                    fraction=progress.fraction,
                    step=progress.step,
                    steps=progress.steps,
                    stage=progress.stage,
                    eta_seconds=eta,
                ),
            )
        )
    if preview is not None and show.preview_seq > since:
        found.append((show.preview_seq, Previewed(item=preview.item, jpeg=preview.jpeg)))
    return found


def _overlaid(job: JobView, show: _Show) -> JobView:
    """The stored job with the progress of its running items laid over it."""
    ended = sum(item.state not in ("waiting", "running", "filing") for item in job.items)
    waiting = sum(item.state == "waiting" for item in job.items)
    present = sum(
        show.fractions.get(i.index, 0.0) for i in job.items if i.state in ("running", "filing")
    )
    progress = show.progress
    running = next((i.index for i in job.items if i.state in ("running", "filing")), None)
    return job.model_copy(
        update={
            "fraction": (ended + present) / max(len(job.items), 1),
            "step": progress.step if progress else 0,
            "steps": progress.steps if progress else 0,
            "stage": progress.stage if progress else "",
            "current_item": progress.item if progress else running,
            "eta_seconds": show.meter.eta(show.fraction, waiting),
        }
    )
