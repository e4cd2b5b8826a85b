"""The runner: one thread that takes items in turn, feeds the worker, and files what comes back."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from webui.contract.events import (
    Artifact,
    Event,
    Failure,
    Finished,
    Notice,
    Preview,
    Progress,
    Vocabulary,
)
from webui.contract.items import Item
from webui.contract.request import ImageRef
from webui.contract.worker import StopMode
from webui.errors import StorageError, WebuiError, WorkerLost
from webui.jobs import queue, transitions
from webui.jobs.attendant import Attendant
from webui.jobs.filing import Filing
from webui.jobs.inputs import Resolver
from webui.jobs.live import Live
from webui.jobs.store import Store
from webui.jobs.views import ErrorView, ItemState, WorkerView
from webui.jobs.workers.protocol import Worker

log = logging.getLogger(__name__)

LOSSES = 2
"""A worker that dies on an item is replaced and the item tried once more; then it has failed."""

_LOOK = 0.5
"""Seconds between looks at a worker that has nothing to do."""

_PATIENCE = 10.0
"""Seconds that closing waits for a thread that is loading models in this process."""


@dataclass
class _Present:
    """The run that is on."""

    batch: queue.Batch
    open: dict[int, Item]
    worker: Worker | None = None
    wish: StopMode | None = None
    pictures: dict[int, list[Artifact]] = field(default_factory=dict[int, list[Artifact]])


class Runner:
    """Feeds one worker from the store until it is closed."""

    def __init__(
        self,
        store: Store,
        filing: Filing,
        resolver: Resolver,
        live: Live,
        make_worker: Callable[[], Worker],
        on_vocabulary: Callable[[Vocabulary], None],
        backoff: float = 1.0,
        order: queue.Order = queue.first_come,
    ) -> None:
        self._store = store
        self._filing = filing
        self._resolver = resolver
        self._live = live
        self._order = order
        self._attendant = Attendant(make_worker, on_vocabulary, backoff)
        self._guard = threading.Lock()
        self._work = threading.Event()
        self._closing = threading.Event()
        self._present: _Present | None = None
        self._thread = threading.Thread(target=self._loop, name="runner", daemon=True)
        store.listen(self._work.set)

    @property
    def worker(self) -> WorkerView:
        """How the worker is."""
        return self._attendant.view

    def start(self) -> None:
        """Load the worker and take work."""
        self._thread.start()

    def close(self) -> None:
        """End worker and thread; what runs is found again at the next start."""
        self._closing.set()
        self._work.set()
        self._attendant.close()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def stop(self, job: int, mode: StopMode) -> bool:
        """End the present run, if it is of this job; returns whether it is."""
        with self._guard:
            present = self._present
            if present is None or present.batch.job != job:
                return False
            if present.wish != "cancel":
                present.wish = mode
            worker = present.worker
        if worker is not None:
            worker.stop(mode)
        return True

    def _loop(self) -> None:
        while not self._closing.is_set():
            try:
                self._work.clear()
                with self._store.read() as db:
                    batch = queue.next_batch(db, self._order)
                if batch is not None:
                    self._serve(batch)
                    continue
                self._attendant.preload()
                self._work.wait(_LOOK)
            except Exception:  # the thread must outlive whatever one job does to it
                log.exception("the runner stumbled")
                self._closing.wait(_LOOK)

    def _serve(self, batch: queue.Batch) -> None:
        try:
            worker = self._attendant.obtain()
        except WebuiError as error:
            if not self._closing.is_set():
                transitions.fail_waiting(self._store, batch.job, error_view(error))
            return
        present = _Present(batch, {item.index: item for item in batch.items})
        if not self._claim(present):
            return
        self._attendant.show(busy=True)
        try:
            self._run(worker, present)
        except WebuiError as error:
            self._interrupt(present, error_view(error))
        except Exception as error:  # a bug must leave the job where it can be resumed
            log.exception("job %d", batch.job)
            name = type(error).__name__
            sentence = f"The program made a mistake ({name}); the log has the details."
            self._interrupt(present, ErrorView(error=name, sentence=sentence))
        finally:
            self._live.end(batch.job)
            with self._guard:
                self._present = None
            self._attendant.show(busy=False)

    def _claim(self, present: _Present) -> bool:
        """Take the items; the guard lets no stop fall between the store's word and ours."""
        batch = present.batch
        with self._guard:
            if not transitions.claim(self._store, batch.job, batch.indices):
                return False
            self._present = present
        self._live.begin(batch.job, batch.indices)
        return True

    def _run(self, worker: Worker, present: _Present) -> None:
        inputs = self._inputs(present)
        if present.wish is not None or not present.open:
            self._cancel_open(present)
            return
        try:
            events = worker.run(tuple(present.open.values()), inputs)
            with self._guard:
                present.worker = worker
                wish = present.wish
            if wish is not None:
                worker.stop(wish)
            self._follow(worker, present, events)
            self._attendant.praise()
        except WorkerLost as error:
            self._lose_open(present, error)

    def _follow(self, worker: Worker, present: _Present, events: Iterator[Event]) -> None:
        try:
            for event in events:
                self._handle(present, event)
        except WorkerLost:
            raise
        except Exception:  # such as a full disk: let nothing more come, and be heard above
            worker.stop("cancel")
            with contextlib.suppress(WorkerLost):
                for _ in events:
                    pass
            raise

    def _inputs(self, present: _Present) -> dict[ImageRef, bytes]:
        """The pictures that the items need; an item whose picture is missing fails by name."""
        inputs: dict[ImageRef, bytes] = {}
        for item in present.batch.items:
            try:
                inputs.update(self._resolver.resolve(present.batch.job, item))
            except WebuiError as error:
                self._end(present, item.index, "failed", error_view(error))
        return inputs

    def _handle(self, present: _Present, event: Event) -> None:
        job = present.batch.job
        if self._closing.is_set() and present.wish is None and _unfinished(event):
            return  # we ended it ourselves: the next start offers to run it again
        if isinstance(event, Progress):
            self._live.progress(job, event)
        elif isinstance(event, Preview):
            self._live.preview(job, event)
        elif isinstance(event, Notice):
            transitions.note(self._store, job, event.sentence)
        elif isinstance(event, Artifact):
            present.pictures.setdefault(event.item, []).append(event)
        elif isinstance(event, Failure):
            log.warning("job %d, item %d: %s", job, event.item, event.sentence)
            view = ErrorView.model_validate(event.model_dump(exclude={"kind", "item"}))
            self._end(present, event.item, "failed", view)
        elif isinstance(event, Finished):
            self._finish(present, event)

    def _finish(self, present: _Present, event: Finished) -> None:
        pictures = present.pictures.pop(event.item, [])
        cancelled = event.how == "cancelled" or present.wish == "cancel"
        if cancelled or (event.how == "stopped" and not pictures):
            self._end(present, event.item, "cancelled")
        elif not pictures:
            error = ErrorView(error="WebuiError", sentence="The engine made no picture.")
            self._end(present, event.item, "failed", error)
        else:
            ending = "stopped" if event.how == "stopped" else "done"
            self._filing.file(present.batch.job, present.open[event.item], pictures, ending)
            present.open.pop(event.item)
            log.info(
                "job %d, item %d: %s in %.1f s",
                present.batch.job,
                event.item,
                ending,
                event.seconds,
            )

    def _end(
        self, present: _Present, index: int, state: ItemState, error: ErrorView | None = None
    ) -> None:
        transitions.end_item(self._store, present.batch.job, index, state, error)
        present.open.pop(index, None)
        present.pictures.pop(index, None)

    def _cancel_open(self, present: _Present) -> None:
        for index in tuple(present.open):
            self._end(present, index, "cancelled")

    def _lose_open(self, present: _Present, error: WorkerLost) -> None:
        """The worker died: try its items once more, each alone, unless they were to end anyway."""
        job = present.batch.job
        if self._closing.is_set():
            return
        if present.wish is not None:
            self._cancel_open(present)
            return
        log.warning("job %d: %s", job, error.sentence)
        view = ErrorView(
            error="WorkerLost",
            sentence=f"{error.sentence} It was tried twice.",
            detail=error.detail,
        )
        for index in tuple(present.open):
            if transitions.lose_item(self._store, job, index, LOSSES, view):
                log.info("job %d, item %d will be tried once more", job, index)

    def _interrupt(self, present: _Present, error: ErrorView) -> None:
        """The disk or the store refused: pause the job, as soon as that can be written."""
        log.error("job %d is paused: %s", present.batch.job, error.sentence)
        while not self._closing.is_set():
            try:
                transitions.pause(self._store, present.batch.job, error)
                return
            except StorageError:
                self._closing.wait(_LOOK)


def _unfinished(event: Event) -> bool:
    return isinstance(event, Failure) or (isinstance(event, Finished) and event.how != "done")


def error_view(error: WebuiError) -> ErrorView:
    """What the faces see of an error."""
    return ErrorView(
        error=type(error).__name__,
        sentence=error.sentence,
        detail=error.detail,
        field=str(getattr(error, "field", "")),
    )
