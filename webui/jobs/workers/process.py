"""A worker in a process of its own: what happens to it does not happen to the server."""

import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from webui.contract.events import Event, Vocabulary
from webui.contract.items import Item
from webui.contract.worker import (
    Close,
    EngineConfig,
    Happened,
    Inputs,
    LogLine,
    Ready,
    Run,
    RunEnded,
    StartFailed,
    Stop,
    StopMode,
    ToServer,
    ToWorker,
)
from webui.errors import Unavailable, WorkerLost
from webui.jobs.workers import child

log = logging.getLogger(__name__)

_GRACE = 2.0
"""Seconds that a worker has to leave by itself when it is closed."""


class ProcessWorker:
    """Spawns a process that runs `entry(connection, config)`, and talks to it over a pipe."""

    def __init__(self, config: EngineConfig, entry: str = "webui.generation.serve:serve") -> None:
        self._config = config
        self._entry = entry
        self._guard = threading.Lock()
        self._sending = threading.Lock()
        self._started = False
        self._closed = False
        self._lost = threading.Event()
        self._settled = threading.Event()
        self._vocabulary: Vocabulary | None = None
        self._failure: StartFailed | None = None
        self._process: BaseProcess | None = None
        self._connection: Connection[Any, Any] | None = None
        self._number = 0
        self._running = False
        self._fit = True
        self._events: queue.SimpleQueue[ToServer | None] = queue.SimpleQueue()
        self._tail: deque[str] = deque(maxlen=30)

    @property
    def pid(self) -> int | None:
        """The number of the process, once it has been started."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; it loads while we go on."""
        with self._guard:
            if self._started or self._closed:
                return
            self._started = True
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe(duplex=True)
            # Elsewhere than on POSIX a pipe's handle is no descriptor: stderr stays where it is.
            lines, errors = context.Pipe(duplex=False)
            followed = errors if os.name == "posix" else None
            self._connection = ours
            self._process = process = context.Process(
                target=child.main,
                args=(self._entry, theirs, followed, self._config),
                name="worker",
                daemon=True,
            )
            with _interrupts_blocked():
                process.start()
            # From here on only the child holds its ends: that it died is seen as an end of file.
            theirs.close()
            errors.close()
            self._thread("worker-log", self._follow_log, lines)
            self._thread("worker-events", self._listen, ours)

    def vocabulary(self) -> Vocabulary:
        """Wait for the engine, and tell what it can do."""
        self.start()
        self._settled.wait()
        if self._vocabulary is not None and not self._lost.is_set():
            return self._vocabulary
        if self._failure is not None:
            raise Unavailable(self._failure.sentence, self._failure.detail)
        raise self._loss("while it started")

    def run(self, items: Sequence[Item], inputs: Inputs) -> Iterator[Event]:
        """Send the items to the process now, and yield their events as they come."""
        self.vocabulary()
        with self._guard:
            self._number += 1
            number = self._number
            self._running = True
        self._send(Run(number, tuple(items), dict(inputs)))
        return self._receive(number)

    def stop(self, mode: StopMode) -> None:
        """End the present run early."""
        with self._guard:
            number = self._number if self._running else None
        if number is not None:
            self._send(Stop(number, mode))

    def alive(self) -> bool:
        """Whether the process is there and fit for work."""
        return not self._closed and not self._lost.is_set() and self._fit

    def close(self) -> None:
        """Ask the process to leave, and end it if it does not."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            process = self._process
        if process is None:
            self._settled.set()
            return
        self._send(Close())
        process.join(_GRACE)
        if process.is_alive():
            process.kill()
            process.join(_GRACE)

    def _receive(self, number: int) -> Iterator[Event]:
        try:
            while True:
                message = self._events.get()
                if message is None:
                    self._events.put(None)  # for the next reader as well
                    raise self._loss("in the middle of an item")
                if isinstance(message, Happened) and message.number == number:
                    yield message.event
                elif isinstance(message, RunEnded) and message.number == number:
                    self._fit = message.fit
                    return
        finally:
            with self._guard:
                self._running = False

    def _listen(self, connection: "Connection[Any, Any]") -> None:
        """In a thread: sort what the process says, until it says no more."""
        while True:
            try:
                message: ToServer = connection.recv()
            except (EOFError, OSError):
                break
            if isinstance(message, Ready):
                self._vocabulary = message.vocabulary
                self._settled.set()
            elif isinstance(message, StartFailed):
                self._failure = message
                self._settled.set()
            elif isinstance(message, LogLine):
                logging.getLogger(message.logger).log(message.level, "%s", message.text)
            else:
                self._events.put(message)
        self._lost.set()
        self._settled.set()
        self._events.put(None)
        connection.close()

    def _follow_log(self, lines: "Connection[Any, Any]") -> None:
        """In a thread: what the process writes to its stderr goes to our log."""
        if os.name != "posix":
            lines.close()
            return
        with os.fdopen(os.dup(lines.fileno()), encoding="utf-8", errors="replace") as stream:
            lines.close()
            for line in stream:
                text = line.rstrip()
                if text:
                    self._tail.append(text)
                    log.info("worker: %s", text)

    def _send(self, message: ToWorker) -> None:
        # A process that has gone is noticed by its reader, which tells whoever waits.
        with self._sending, contextlib.suppress(OSError, ValueError):
            if self._connection is not None:
                self._connection.send(message)

    def _loss(self, when: str) -> WorkerLost:
        process = self._process
        if process is not None:
            process.join(_GRACE)
        code = None if process is None else process.exitcode
        return WorkerLost(
            f"The worker process ended {when} ({_explain(code)}).", "\n".join(self._tail)
        )

    def _thread(self, name: str, target: Any, argument: object) -> None:
        threading.Thread(target=target, args=(argument,), name=name, daemon=True).start()


@contextlib.contextmanager
def _interrupts_blocked() -> Generator[None, None, None]:
    """Ctrl-C is the server's to decide on, even while the child's python is still starting."""
    if sys.platform == "win32":
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _explain(code: int | None) -> str:
    if code is None:
        return "it does not answer"
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"
