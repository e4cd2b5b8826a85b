"""Conversion from the outside: a process of its own, watched, and its file put where it belongs."""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import webui
from webui import errors
from webui.errors import Conflict, StorageError, UnsupportedModel, WebuiError
from webui.library.folders import folder_for
from webui.library.headers import read_header
from webui.library.identify import Identity, identify
from webui.library.scan import folders_below
from webui.library.tensorfile import settle

log = logging.getLogger(__name__)

ENDINGS = (".ckpt", ".pt", ".pth", ".bin")
ENDING = ".safetensors"
BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from webui.library.conversion.child import run; run()"
)
ROOT = Path(webui.__file__).resolve().parent.parent
LEAST_SECONDS, BYTES_PER_SECOND = 120, 10_000_000
"""A file may take so long, and as long as a slow disk needs to read and write it."""
LOOK = 0.1
LONGEST_LINE = 20_000
WORKSHOP = ".conversion-"
INHERITED = ("SYSTEMROOT", "LD_LIBRARY_PATH")

Report = Callable[[float], None]
"""Called with how much is done, from 0 to 1."""


@dataclass(frozen=True)
class Converted:
    """A new safetensors file, what it is, and how many tensors it holds."""

    path: Path
    identity: Identity
    tensors: int


def pickled_files(folders: Iterable[Path]) -> tuple[Path, ...]:
    """The files below `folders` that need conversion: pickles without a safetensors of their name.

    Small `.bin` files without a model in them are listed too: nothing is opened for the list.
    """
    return tuple(dict.fromkeys(p for folder in folders for p in _pickles(folder)))


def _pickles(root: Path) -> Iterator[Path]:
    for folder, _, names in folders_below(root):
        there = {name.casefold() for name in names}
        for name in sorted(names):
            ending = Path(name).suffix
            if ending.casefold() not in ENDINGS or name.startswith("."):
                continue
            if f"{name.removesuffix(ending)}{ENDING}".casefold() not in there:
                yield folder / name


def convert_model(
    source: Path,
    models_dir: Path,
    report: Report = lambda share: None,
    stop: threading.Event | None = None,
) -> Converted:
    """Make a safetensors file of the pickled model `source`; it stays as it is.

    The new file lies beside the source where that is below `models_dir`, else in the folder there
    for files of its kind. Raises UnsupportedModel for a file that is no model or asks for more
    than tensors, Conflict where the name is taken or `stop` was set, StorageError.
    """
    beside = source.resolve().is_relative_to(models_dir.resolve())
    name = _new_name(source)
    if beside and (source.parent / name).exists():
        raise Conflict(f"There is a file called {name} already beside it.")
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=WORKSHOP, dir=models_dir))
    except OSError as error:
        raise StorageError("The models folder cannot be written to.", str(error)) from error
    try:
        draft = workshop / name
        tensors = _run(source, draft, report, stop or threading.Event())
        identity = identify(read_header(draft))
        folder = source.parent if beside else folder_for(models_dir, identity.kind)
        path = settle(draft, folder / name)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    log.info("converted %s to %s (%s)", source.name, path, identity.kind)
    return Converted(path, identity, tensors)


def _new_name(source: Path) -> str:
    if source.suffix.casefold() == ENDING:  # a pickle under a false name
        return f"{source.stem}-converted{ENDING}"
    return f"{source.stem}{ENDING}"


def _run(source: Path, draft: Path, report: Report, stop: threading.Event) -> int:
    """Watch the process until it has ended; returns how many tensors it wrote."""
    try:
        seconds = LEAST_SECONDS + source.stat().st_size // BYTES_PER_SECOND
    except OSError as error:
        raise StorageError(f"{source.name} could not be read.", str(error)) from error
    command = [sys.executable, "-I", "-c", BOOT, str(ROOT)]
    arguments = [str(source), str(draft), source.name, str(seconds)]
    with subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        cwd=draft.parent,
    ) as process:
        watch = _Watch(process, seconds, stop)
        said = _listen(cast("IO[bytes]", process.stdout), report)
        watch.end()
        detail = cast("IO[bytes]", process.stderr).read(LONGEST_LINE).decode(errors="replace")
    if "tensors" in said and process.returncode == 0:
        return int(said["tensors"])
    raise _reason(source.name, said, watch.killed, detail)


class _Watch:
    """Ends the process when it is told to, or when its time is over."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", seconds: float, stop: threading.Event
    ) -> None:
        self.killed = ""
        self._process = process
        self._until = time.monotonic() + seconds
        self._stop = stop
        self._thread = threading.Thread(target=self._look, name="conversion", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Wait for the process, and for the last look at it."""
        self._process.wait()
        self._thread.join()

    def _look(self) -> None:
        while self._process.poll() is None:
            if self._stop.wait(LOOK):
                self.killed = "The conversion was stopped."
            elif time.monotonic() > self._until:
                self.killed = "The conversion took too long and was ended."
            if self.killed:
                self._process.kill()
                return


def _listen(lines: IO[bytes], report: Report) -> dict[str, Any]:
    """Pass on how far it is; returns the last word."""
    last: dict[str, Any] = {}
    while line := lines.readline(LONGEST_LINE):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            last = cast("dict[str, Any]", said)
        if last.get("total"):
            report(min(1.0, float(last["done"]) / float(last["total"])))
    return last


def _reason(name: str, said: dict[str, Any], killed: str, detail: str) -> WebuiError:
    if killed:
        return Conflict(killed)
    if "sentence" in said:
        kind = getattr(errors, str(said.get("error")), UnsupportedModel)
        kind = kind if kind in (UnsupportedModel, StorageError) else UnsupportedModel
        return kind(str(said["sentence"]), str(said.get("detail", "")))
    return UnsupportedModel(
        f"{name} could not be converted: the process that read it ended. The file is damaged, or "
        "made to do harm.",
        detail,
    )


def _environment() -> dict[str, str]:
    """Next to nothing: a system's own folder, which Windows needs, and quiet mathematics."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
