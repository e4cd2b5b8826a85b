"""The engine's front door: what must happen before the first heavy import happens here."""

import importlib
import os
from typing import cast

from webui.contract.worker import Engine, EngineConfig

THREADS_SLEEP = ("OMP_WAIT_POLICY", "PASSIVE")
"""Threads that wait for each other sleep instead of spinning: on a machine that also runs the
server and a browser, spinning made a small network five to ten times slower."""


def make_engine(config: EngineConfig) -> Engine:
    """Settle how threads wait, mend a torchvision that does not fit, then build the engine."""
    os.environ.setdefault(*THREADS_SLEEP)  # OpenMP reads it once, when torch loads it
    guard = importlib.import_module("webui.weights.torchvision_guard")
    guard.mend_torchvision()
    # transformers looks at torchvision while it is imported, so the engine comes after the guard
    engine = importlib.import_module("webui.generation.engine")
    return cast(Engine, engine.make_engine(config))
