"""A worker in this very process: for the command line, tests, and extensions that need it."""

import logging
import queue
import threading
from collections.abc import Iterator, Sequence

from webui.contract.events import Event, Vocabulary
from webui.contract.items import Item
from webui.contract.worker import Engine, EngineConfig, Inputs, StopMode, build_engine, run_to_end
from webui.errors import Unavailable, WebuiError

log = logging.getLogger(__name__)


class InProcessWorker:
    """Builds the engine that the config names at the first need, and runs it in its own threads."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._loading = threading.Lock()
        self._engine: Engine | None = None
        self._error: Exception | None = None
        self._wish: StopMode | None = None
        self._running = False
        self._closed = False

    def start(self) -> None:
        """Begin to load in the background."""
        threading.Thread(target=self._load, name="engine-load", daemon=True).start()

    def vocabulary(self) -> Vocabulary:
        """Wait for the engine, and tell what it can do; raises Unavailable if it cannot start."""
        return self._load_or_raise().vocabulary()

    def run(self, items: Sequence[Item], inputs: Inputs) -> Iterator[Event]:
        """Begin to run the items, and yield their events."""
        engine = self._load_or_raise()
        events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._wish = None
        self._running = True

        def work() -> None:
            try:
                error = run_to_end(engine, items, inputs, events.put, lambda: self._wish)
                if error is not None:
                    log.warning("an item failed", exc_info=error)
            finally:
                self._running = False
                events.put(None)

        threading.Thread(target=work, name="engine", daemon=True).start()
        return iter(events.get, None)

    def stop(self, mode: StopMode) -> None:
        """End the present run early."""
        if self._running and self._wish != "cancel":
            self._wish = mode

    def alive(self) -> bool:
        """Whether it can be given work."""
        return not self._closed and self._error is None

    def close(self) -> None:
        """Cancel what runs and let the engine go."""
        self._closed = True
        self.stop("cancel")
        self._engine = None

    def _load(self) -> None:
        with self._loading:
            if self._engine is None and self._error is None and not self._closed:
                try:
                    self._engine = build_engine(self._config)
                except Exception as error:  # kept, and raised to whoever asks for work
                    log.exception("the engine could not be built")
                    self._error = error

    def _load_or_raise(self) -> Engine:
        self._load()
        if self._engine is not None:
            return self._engine
        if isinstance(self._error, WebuiError):
            raise self._error
        raise Unavailable(
            "The engine could not start."
            if self._error is None
            else f"The engine could not start: {type(self._error).__name__}: {self._error}"
        )
