"""The one door to jobs: both faces, the command line and the tests come in here."""

import logging
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

from webui.contract.events import Vocabulary
from webui.contract.items import Plan
from webui.contract.request import AnyRequest
from webui.contract.worker import StopMode
from webui.errors import Conflict, InvalidRequest, TooLarge
from webui.jobs import records, transitions
from webui.jobs.filing import Filing
from webui.jobs.inputs import Blobs, Resolver
from webui.jobs.live import Live
from webui.jobs.recovery import recover
from webui.jobs.runner import Runner
from webui.jobs.store import Store
from webui.jobs.views import ArtifactView, JobState, JobView, LiveEvent, Snapshot, WorkerView
from webui.jobs.workers.protocol import Worker

log = logging.getLogger(__name__)

Expand = Callable[[AnyRequest], tuple[AnyRequest, Plan]]
"""Resolves names, seeds, styles and scripts: the concrete request and its ordered items.

Raises InvalidRequest or NotFound, naming the field.
"""


class Jobs:
    """Everything that can be done with jobs; every method may be called from any thread."""

    def __init__(
        self,
        store: Store,
        make_worker: Callable[[], Worker],
        plan: Expand,
        blobs: Blobs,
        filing: Filing,
        on_vocabulary: Callable[[Vocabulary], None] = lambda vocabulary: None,
        max_items: int = 1000,
        max_waiting_jobs: int = 1000,
        resume_at_start: bool = False,
        start_backoff: float = 1.0,
    ) -> None:
        self._store = store
        self._plan = plan
        self._filing = filing
        self._max_items = max_items
        self._max_waiting_jobs = max_waiting_jobs
        self._resume_at_start = resume_at_start
        self._resolver = Resolver(store, blobs, filing.outputs)
        self._live = Live(store)
        self._runner = Runner(
            store,
            filing,
            self._resolver,
            self._live,
            make_worker,
            on_vocabulary,
            backoff=start_backoff,
        )
        self._closed = False

    def start(self) -> None:
        """Recover what the last server left, begin to load the worker, and take work."""
        recover(self._store, self._filing, self._resume_at_start)
        self._runner.start()

    def close(self) -> None:
        """Stop taking work, end the worker, and give the data folder free; safe to call twice.

        A job that runs is found paused at the next start.
        """
        if self._closed:
            return
        self._closed = True
        self._live.close()
        self._runner.close()
        self._store.close()

    def submit(self, request: AnyRequest, owner: str = "") -> JobView:
        """Expand the request and store job and items in one transaction; returns at once.

        Raises InvalidRequest, NotFound, TooLarge (too many items) or Conflict (the queue is full).
        """
        concrete, plan = self._plan(request)
        if len(plan.items) > self._max_items:
            raise TooLarge(
                "canvas.batch_count",
                f"This would make {len(plan.items)} pictures; the limit is {self._max_items}.",
            )
        if not plan.items:
            raise InvalidRequest("script", "This request makes no pictures.")
        self._resolver.check(plan)
        with self._store.read() as db:
            queued = records.count_jobs(db, "queued")
        if queued >= self._max_waiting_jobs:
            raise Conflict(f"The queue is full: {queued} jobs are waiting.")
        job = transitions.submit(self._store, concrete, plan, owner)
        log.info("job %d: %d item(s) queued", job, len(plan.items))
        return self.get(job)

    def get(self, id: int) -> JobView:
        """The job; raises NotFound."""
        return self._live.view(id)

    def list(
        self, limit: int = 50, states: Collection[JobState] | None = None
    ) -> tuple[JobView, ...]:
        """The newest jobs, newest first."""
        with self._store.read() as db:
            ids = records.newest_jobs(db, limit, states)
        return tuple(self._live.view(id) for id in ids)

    def current(self) -> JobView | None:
        """The running job, else the first that waits for its turn."""
        with self._store.read() as db:
            id = records.current_job(db)
        return None if id is None else self._live.view(id)

    def stop(self, id: int, mode: StopMode = "stop") -> JobView:
        """End a job: `stop` keeps the running item's picture as it is, `cancel` discards it.

        Items that were not begun are cancelled. An ended job stays as it is.
        """
        if transitions.stop(self._store, id, mode):
            self._runner.stop(id, mode)
        return self.get(id)

    def skip(self, id: int) -> JobView:
        """End the present item, keeping its picture as it is; the job goes on with the next."""
        self._runner.stop(id, "stop")
        return self.get(id)

    def resume(self, id: int) -> JobView:
        """Continue a paused, stopped or failed job with the items that have no result.

        Raises Conflict for a job in another state.
        """
        transitions.resume(self._store, id)
        return self.get(id)

    def discard(self, id: int) -> JobView:
        """Cancel a paused job; what it finished stays. Raises Conflict for one that is not."""
        state = self.get(id).state
        if state != "paused":
            raise Conflict(f"Job {id} is {state}, not paused.")
        return self.stop(id, "cancel")

    def snapshot(self, id: int, since: int = 0) -> Snapshot:
        """All there is to show now; the preview only if it is newer than `since`."""
        return self._live.snapshot(id, since)

    def events(self, id: int, since: int = 0) -> AsyncIterator[tuple[int, LiveEvent]]:
        """What changed after `since`, and then what changes, until the job has ended.

        Give the last sequence number that was received as `since` to go on after a break.
        Slow readers get the latest state, not every one on the way. Raises NotFound at once.
        """
        with self._store.read() as db:
            transitions.job_row(db, id)
        return self._live.events(id, since)

    def wait(self, id: int, timeout: float | None = None) -> JobView:
        """Block until the job has ended or is paused, or until the time is over; then show it."""
        return self._live.wait(id, timeout)

    def artifact(self, id: int) -> tuple[ArtifactView, Path]:
        """A filed picture and where it lies; raises NotFound."""
        with self._store.read() as db:
            view = records.filed_artifact(db, id)
        return view, self._filing.outputs / view.path

    def worker(self) -> WorkerView:
        """How the worker is."""
        return self._runner.worker
