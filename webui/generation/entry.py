"""The engine's front door: what must happen before the first heavy import happens here."""

import importlib
from typing import cast

from webui.contract.worker import Engine, EngineConfig
from webui.weights.torchvision_guard import mend_torchvision


def make_engine(config: EngineConfig) -> Engine:
    """Mend a torchvision that does not fit, then import and build the engine."""
    mend_torchvision()
    # transformers looks at torchvision while it is imported, so the engine comes after the guard
    engine = importlib.import_module("webui.generation.engine")
    return cast(Engine, engine.make_engine(config))
