"""The engine's front door: what must happen before the first heavy import happens here."""

import importlib
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

from webui.contract.worker import Engine, EngineConfig

THREADS_SLEEP = ("OMP_WAIT_POLICY", "PASSIVE")
"""Threads that wait for each other sleep instead of spinning: on a machine that also runs the
server and a browser, spinning made a small network five to ten times slower."""

COSTLY = "xformers"
"""diffusers would import it wherever it is installed, for seconds, and where it cannot run."""


def make_engine(config: EngineConfig) -> Engine:
    """Settle how threads wait, mend a torchvision that does not fit, then build the engine."""
    os.environ.setdefault(*THREADS_SLEEP)  # OpenMP reads it once, when torch loads it
    guard = importlib.import_module("webui.weights.torchvision_guard")
    guard.mend_torchvision()
    # transformers looks at torchvision while it is imported, so the engine comes after the guard
    with _hidden(COSTLY):
        engine = importlib.import_module("webui.generation.engine")
    return cast(Engine, engine.make_engine(config))


@contextmanager
def _hidden(package: str) -> Generator[None, None, None]:
    """Let nothing that is imported within the block find `package`, which is not imported yet."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # Python's own mark for "not there"
    try:
        yield
    finally:
        del sys.modules[package]
