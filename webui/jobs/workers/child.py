"""The first code that runs in a worker's process; it knows its main loop only by name."""

import contextlib
import faulthandler
import importlib
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from webui.contract.worker import EngineConfig


def main(
    entry: str,
    connection: "Connection[Any, Any]",
    errors: "Connection[Any, Any] | None",
    config: EngineConfig,
) -> None:
    """Leave Ctrl-C to the server, send stderr its way, and hand over to `entry`.

    `entry` is `package.module:function`, called with the connection and the config.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):  # the server blocked it while it started this process
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if errors is not None:
        for descriptor in (1, 2):
            os.dup2(errors.fileno(), descriptor)
        errors.close()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
        faulthandler.enable()  # a crash in a driver leaves its stack in the log
    module, _, function = entry.partition(":")
    getattr(importlib.import_module(module), function)(connection, config)
