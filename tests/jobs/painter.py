"""A torch-free engine for tests: paints small PNGs from seeds, and waits for files, not clocks.

What an item does is written in its prompt, word by word:
`gate:NAME` waits in the middle of its steps until the file NAME exists (and tells of it with
NAME.reached); `die` kills its own process at the middle step; `die-once` does so the first time
only; `fail` raises; `empty` makes no picture; `nothing-early` has no estimate before its end.
Files lie in `config.data_dir`.
"""

import hashlib
import io
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from webui.contract.events import (
    Artifact,
    Finished,
    Notice,
    PluginReport,
    Preview,
    Progress,
    Vocabulary,
    Word,
)
from webui.contract.items import Item
from webui.contract.worker import Check, Emit, EngineConfig, Inputs
from webui.errors import NumericalError, OutOfDeviceMemory

STEPS = 4
PATIENCE = 60.0


class Painter:
    """Runs items one after the other, unless their request packs."""

    def __init__(self, config: EngineConfig) -> None:
        self._folder = config.data_dir
        self._log("built")

    def vocabulary(self) -> Vocabulary:
        return Vocabulary(
            words={"samplers": (Word(id="painter", label="Painter"),)},
            plugins=(PluginReport(name="painter"),),
        )

    def run(self, items: Sequence[Item], inputs: Inputs, emit: Emit, check: Check) -> None:
        self._log(f"run {' '.join(str(item.request.noise.seed) for item in items)}")
        for item in items:
            self._paint(item, inputs, emit, check)

    def _paint(self, item: Item, inputs: Inputs, emit: Emit, check: Check) -> None:
        words = item.request.prompt.positive.split()
        for step in range(STEPS):
            wish = check()
            if wish is None and step == STEPS // 2:
                wish = self._middle(item, words, check, emit)
            if wish is not None:
                if wish == "stop" and step > 0 and "nothing-early" not in words:
                    emit(self._picture(item, inputs))
                    emit(Finished(item=item.index, how="stopped"))
                else:
                    how = "cancelled" if wish == "cancel" else "stopped"
                    emit(Finished(item=item.index, how=how))
                return
            done = step + 1
            emit(Progress(item=item.index, fraction=done / STEPS, step=done, steps=STEPS))
            emit(Preview(item=item.index, jpeg=b"jpeg %d" % done))
        if "empty" not in words:
            emit(self._picture(item, inputs))
        emit(Finished(item=item.index))

    def _middle(self, item: Item, words: list[str], check: Check, emit: Emit) -> str | None:
        if "fail" in words:
            raise NumericalError("the painter's hand")
        if "oom" in words:
            raise OutOfDeviceMemory("The canvas is too large.")
        if "fault" in words:
            raise RuntimeError("CUDA error: device-side assert triggered")
        if "notice" in words:
            emit(Notice(item=item.index, sentence="The paint is thin."))
        if "die" in words:
            os.kill(os.getpid(), signal.SIGKILL)
        if "die-once" in words and self._first_time(f"died-{item.request.noise.seed}"):
            os.kill(os.getpid(), signal.SIGKILL)
        for word in words:
            if word.startswith("gate:"):
                wish = self._wait(word.removeprefix("gate:"), check)
                if wish is not None:
                    return wish
        return check()

    def _wait(self, name: str, check: Check) -> str | None:
        (self._folder / f"{name}.reached").touch()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            wish = check()
            if wish is not None or (self._folder / name).exists():
                return wish
            time.sleep(0.005)
        raise TimeoutError(name)

    def _first_time(self, name: str) -> bool:
        try:
            (self._folder / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _picture(self, item: Item, inputs: Inputs) -> Artifact:
        seed = item.request.noise.seed
        source = item.request.source
        start = inputs[source.image] if source else b""
        data = paint(seed, start)
        return Artifact(
            item=item.index, data=data, width=8, height=8, seed=seed, infotext=f"Seed: {seed}"
        )

    def _log(self, line: str) -> None:
        with (self._folder / "engine.log").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def paint(seed: int, start: bytes = b"") -> bytes:
    """The PNG that the painter makes of a seed and the bytes it starts from."""
    bits = hashlib.sha256(str(seed).encode() + start).digest() * 6
    stream = io.BytesIO()
    Image.frombytes("RGB", (8, 8), bits).save(stream, "PNG")
    return stream.getvalue()


def make_engine(config: EngineConfig) -> Painter:
    return Painter(config)


def make_broken(config: EngineConfig) -> Painter:
    with (config.data_dir / "engine.log").open("a", encoding="utf-8") as file:
        file.write("tried\n")
    raise ImportError("No module named 'paint'")


def make_slow(config: EngineConfig) -> Painter:
    """Builds only when the file `open` exists."""
    deadline = time.monotonic() + PATIENCE
    while not (config.data_dir / "open").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    return Painter(config)


def log_lines(folder: Path) -> list[str]:
    """What the engine wrote down, over all its lives."""
    path = folder / "engine.log"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def make_loud(config: EngineConfig) -> Painter:
    sys.stderr.write("to stderr\n")
    logging.getLogger("painter").warning("to the log")
    return Painter(config)
