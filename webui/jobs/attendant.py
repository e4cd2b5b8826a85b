"""Keeps one worker at hand: loads it early, replaces it when it is gone, never in a hot loop."""

import logging
import threading
from collections.abc import Callable

from webui.contract.events import Vocabulary
from webui.errors import WebuiError
from webui.jobs.views import WorkerView
from webui.jobs.workers.protocol import Worker

log = logging.getLogger(__name__)

TRIES = 3
"""So many starts may fail in a row before a job is told; later jobs get one try each."""


class Attendant:
    """Used by the runner's thread alone; `close` and `view` may be called from any other."""

    def __init__(
        self,
        make_worker: Callable[[], Worker],
        on_vocabulary: Callable[[Vocabulary], None],
        backoff: float = 1.0,
    ) -> None:
        self._make_worker = make_worker
        self._on_vocabulary = on_vocabulary
        self._backoff = backoff
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._worker: Worker | None = None
        self._failures = 0
        self.view = WorkerView(state="off")

    def preload(self) -> None:
        """Have a worker ready before there is work, unless it keeps on dying."""
        if self._lost():
            self._failures += 1
            log.warning("the worker ended while it had nothing to do")
        if self._worker is None and self._failures < TRIES:
            try:
                self._start()
            except WebuiError:
                self._pause()

    def obtain(self) -> Worker:
        """A worker that is ready; raises the error of the last try where none can be had."""
        self._lost()
        while self._worker is None:
            try:
                self._start()
            except WebuiError:
                if self._failures >= TRIES or self._closing.is_set():
                    raise
                self._pause()
        return self._worker

    def praise(self) -> None:
        """The worker brought a run to its end: earlier failures are forgotten."""
        self._failures = 0

    def show(self, busy: bool) -> None:
        """Tell the faces whether it works."""
        if not self._closing.is_set():
            self.view = WorkerView(state="busy" if busy else "ready")

    def close(self) -> None:
        """End the worker, also one that is still loading."""
        self._closing.set()
        with self._guard:
            worker = self._worker
        if worker is not None:
            worker.close()
        self.view = WorkerView(state="off")

    def _pause(self) -> None:
        if self._failures < TRIES:
            self._closing.wait(self._backoff * 2 ** (self._failures - 1))

    def _lost(self) -> bool:
        if self._worker is None or self._worker.alive():
            return False
        self._drop()
        return True

    def _start(self) -> None:
        self.view = WorkerView(state="starting", sentence="The engine is loading.")
        worker = self._make_worker()
        with self._guard:
            self._worker = worker
        try:
            if self._closing.is_set():
                worker.close()
            worker.start()
            vocabulary = worker.vocabulary()
        except WebuiError as error:
            self._drop()
            self._failures += 1
            self.view = WorkerView(state="failed", sentence=error.sentence)
            if not self._closing.is_set():
                log.error("%s\n%s", error.sentence, error.detail)
            raise
        self.view = WorkerView(state="ready")
        self._on_vocabulary(vocabulary)

    def _drop(self) -> None:
        with self._guard:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
