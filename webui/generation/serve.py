"""The worker's main loop: build the engine, run what the server sends, leave when it is gone."""

import logging
import os
import queue
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

from webui.contract.events import Event
from webui.contract.worker import (
    Close,
    Engine,
    EngineConfig,
    Happened,
    LogLine,
    Ready,
    Run,
    RunEnded,
    StartFailed,
    Stop,
    StopMode,
    ToServer,
    ToWorker,
    build_engine,
    run_to_end,
)
from webui.errors import WebuiError

log = logging.getLogger(__name__)

_NICENESS = 10


def serve(connection: "Connection[Any, Any]", config: EngineConfig) -> None:
    """Serve runs over the connection until it is closed or the server is gone."""
    line = _Line(connection)
    _log_to(line)
    threading.Thread(target=line.listen, name="control", daemon=True).start()
    engine = _load(config, line)
    if engine is None:
        return
    line.send(Ready(engine.vocabulary()))
    while (run := line.runs.get()) is not None:
        fit = _run(engine, run, line)
        line.send(RunEnded(run.number, fit))
        if not fit:
            log.error("the device does not answer any more: this worker ends")
            return


class _Line:
    """The connection to the server: one reading thread, many senders."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._stops: dict[int, StopMode] = {}
        self.runs: queue.SimpleQueue[Run | None] = queue.SimpleQueue()

    def send(self, message: ToServer) -> None:
        """Send a message; without a server there is nothing left to do."""
        try:
            with self._sending:
                self._connection.send(message)
        except (OSError, ValueError):
            os._exit(0)

    def listen(self) -> None:
        """In a thread: hear the server also while the engine works; end the process without it."""
        while True:
            try:
                message: ToWorker = self._connection.recv()
            except (EOFError, OSError):
                # The server is gone. An engine in mid-step, or in mid-import, cannot be asked.
                os._exit(0)
            if isinstance(message, Run):
                self.runs.put(message)
            elif isinstance(message, Stop):
                if self._stops.get(message.number) != "cancel":
                    self._stops[message.number] = message.mode
            else:
                assert isinstance(message, Close)
                os._exit(0)

    def wish(self, number: int) -> StopMode | None:
        """Whether the run with this number is to end early."""
        return self._stops.get(number)

    def forget(self, number: int) -> None:
        """The run with this number has ended."""
        self._stops.pop(number, None)


def _run(engine: Engine, run: Run, line: _Line) -> bool:
    """Run items to their end; False where the engine cannot be trusted with more."""

    def emit(event: Event) -> None:
        line.send(Happened(run.number, event))

    error = run_to_end(engine, run.items, run.inputs, emit, lambda: line.wish(run.number))
    line.forget(run.number)
    if error is None:
        return True
    if not isinstance(error, WebuiError):
        log.error("an item failed", exc_info=error)
    return not is_fatal(error)


def is_fatal(error: BaseException) -> bool:
    """Whether the device is lost to this process: after a fault, CUDA fails every later call."""
    name = type(error).__name__
    if "OutOfMemory" in name:
        return False
    text = str(error)
    return name == "AcceleratorError" or "CUDA error" in text or "HIP error" in text


def _load(config: EngineConfig, line: _Line) -> Engine | None:
    """Build the engine in a thread that yields to the server, so that the page comes up first."""
    built: list[Engine] = []

    def work() -> None:
        if sys.platform == "linux":  # elsewhere niceness is the whole process's, and for ever
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        try:
            built.append(build_engine(config))
        except BaseException as error:  # whatever an import can raise, SystemExit included
            line.send(_explain(error))

    thread = threading.Thread(target=work, name="engine-load")
    thread.start()
    thread.join()
    return built[0] if built else None


def _explain(error: BaseException) -> StartFailed:
    detail = "".join(traceback.format_exception(error))
    if isinstance(error, WebuiError):
        return StartFailed(error.sentence, error.detail or detail)
    return StartFailed(f"The engine could not start: {type(error).__name__}: {error}", detail)


class _SendingHandler(logging.Handler):
    """Sends each record to the server's log."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record as text: what it refers to may not cross."""
        try:
            text = self.format(record)
        except Exception:  # logging must not end an item
            self.handleError(record)
            return
        self._line.send(LogLine(record.name, record.levelno, text))


def _log_to(line: _Line) -> None:
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.handlers[:] = [_SendingHandler(line)]
