"""What the server and a worker say to each other, and what an engine must be able to do."""

import importlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from webui.contract.events import Artifact, Event, Failure, Finished, Vocabulary
from webui.contract.items import Item
from webui.contract.request import ImageRef
from webui.errors import WebuiError

StopMode = Literal["stop", "cancel"]
"""How a running item ends early: `stop` keeps what is there, `cancel` discards it."""

Inputs = Mapping[ImageRef, bytes]
"""The encoded pictures that the items of one run refer to."""

Emit = Callable[[Event], None]
Check = Callable[[], StopMode | None]


@dataclass(frozen=True)
class EngineConfig:
    """Everything that an engine is built from; it crosses the process boundary once, at start.

    `engine` names the function that builds it, as `package.module:function`; `more_models_dirs`
    are read after `models_dir`; `hub` is where small files that a model needs are fetched from,
    "" for nowhere, and `private_hosts` need not be public.
    """

    models_dir: Path
    data_dir: Path
    bundled_models_dir: Path | None = None
    more_models_dirs: tuple[Path, ...] = ()
    extensions_dir: Path | None = None
    device: str = "auto"
    dtype: str = "auto"
    safe: bool = False
    disabled: tuple[str, ...] = ()
    preview_seconds: float = 0.7
    preview_size: int = 384
    preview_method: str = "auto"
    vae_tile_pixels: int = 0
    keep_models: int = 1
    keep_warm: int = 0
    vae_dtype: str = "auto"
    placement: str = "auto"
    storage: str = "auto"
    attention: str = "auto"
    default_checkpoint: str = ""
    format: str = "png"
    quality: int = 90
    infotext: bool = True
    hub: str = ""
    private_hosts: tuple[str, ...] = ()
    engine: str = "webui.generation.entry:make_engine"


class Engine(Protocol):
    """Turns items into events; built once in the process that owns the device."""

    def run(self, items: Sequence[Item], inputs: Inputs, emit: Emit, check: Check) -> None:
        """Run items of one shape together, or one after the other.

        `check` is asked at least once per sampler step; `stop` ends with the present estimate as
        the artifact and `Finished(how="stopped")`, `cancel` with `Finished(how="cancelled")`.
        Items that were not begun end the same way. Raising fails every item that has not ended.
        """
        ...

    def vocabulary(self) -> Vocabulary:
        """What this engine can do, plugins included."""
        ...


def build_engine(config: EngineConfig) -> Engine:
    """Import and call what the config names; the server wing does this for nobody but itself."""
    module, _, function = config.engine.partition(":")
    make: Callable[[EngineConfig], Engine] = getattr(importlib.import_module(module), function)
    return make(config)


@dataclass(frozen=True)
class Run:
    """Server to worker: run these items; `number` tells runs apart."""

    number: int
    items: tuple[Item, ...]
    inputs: dict[ImageRef, bytes] = field(repr=False)


@dataclass(frozen=True)
class Stop:
    """Server to worker: end the run with this number; an ended run is none of its business."""

    number: int
    mode: StopMode


@dataclass(frozen=True)
class Close:
    """Server to worker: leave when the present run has ended."""


@dataclass(frozen=True)
class Ready:
    """Worker to server: the engine is built."""

    vocabulary: Vocabulary


@dataclass(frozen=True)
class StartFailed:
    """Worker to server: the engine cannot be built, and why."""

    sentence: str
    detail: str = ""


@dataclass(frozen=True)
class Happened:
    """Worker to server: an event of the run with this number."""

    number: int
    event: Event


@dataclass(frozen=True)
class RunEnded:
    """Worker to server: every item of the run has ended; `fit` is False if the worker leaves."""

    number: int
    fit: bool = True


@dataclass(frozen=True)
class LogLine:
    """Worker to server: a line for the log."""

    logger: str
    level: int
    text: str


ToWorker = Run | Stop | Close
ToServer = Ready | StartFailed | Happened | RunEnded | LogLine


def run_to_end(
    engine: Engine, items: Sequence[Item], inputs: Inputs, emit: Emit, check: Check
) -> BaseException | None:
    """Run the engine so that every item ends in exactly one Finished or Failure.

    Returns the exception that the engine raised, if any, after reporting it for each open item.
    """
    open_items = {item.index for item in items}

    def watch(event: Event) -> None:
        if isinstance(event, Finished | Failure):
            if event.item not in open_items:
                return
            open_items.discard(event.item)
        elif isinstance(event, Artifact) and event.item not in open_items:
            return
        emit(event)

    try:
        engine.run(items, inputs, watch, check)
    except Exception as error:  # the boundary of the worker: one item must not end it
        for index in sorted(open_items):
            emit(failure_of(index, error))
        return error
    for index in sorted(open_items):
        emit(
            Failure(
                item=index,
                error="WebuiError",
                sentence="The engine ended without a result for this item.",
            )
        )
    return None


def failure_of(item: int, error: Exception) -> Failure:
    """The failure event that tells of an exception."""
    detail = "".join(traceback.format_exception(error))
    if isinstance(error, WebuiError):
        return Failure(
            item=item,
            error=type(error).__name__,
            sentence=error.sentence,
            detail=error.detail or detail,
            field=str(getattr(error, "field", "")),
        )
    name = type(error).__name__
    first = (str(error).strip().splitlines() or [""])[0]
    sentence = f"The engine broke off: {name}{': ' if first else ''}{first}"
    return Failure(item=item, error=name, sentence=sentence, detail=detail)
