"""Errands: work in a process of its own, which says in lines of JSON how far it is.

A line may hold `done` and `total`, or `error` (the name of one of our errors) with `sentence` and
`detail`; the last line is the result.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import webui
from webui.errors import (
    Conflict,
    ModelMismatch,
    StorageError,
    Unavailable,
    UnsupportedModel,
    WebuiError,
)

ROOT = Path(webui.__file__).resolve().parent.parent
BOOT = (
    "import sys, importlib; sys.path.insert(0, sys.argv.pop(1)); "
    "importlib.import_module(sys.argv.pop(1)).run()"
)
FORGOTTEN = 24 * 3600.0
"""Seconds after which an unfinished thing belongs to nobody: its process was killed."""
LOOK = 0.1
"""Seconds between two looks at the clock and at the wish to stop."""
LONGEST_LINE = 20_000
EVERY = 0.25
"""Seconds between two words of the process about how far it is."""
TELLABLE = (UnsupportedModel, ModelMismatch, StorageError, Conflict, Unavailable)

Report = Callable[[float], None]
"""Called with how much is done, from 0 to 1."""


def silent(share: float) -> None:
    """The report of those who do not want one."""


def run_errand(
    module: str,
    arguments: Sequence[str],
    report: Report = silent,
    stop: threading.Event | None = None,
    seconds: float | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Call `module.run()` in a new process and wait; returns its last word.

    `environment` None is this process' own. Raises the error that the process names, Conflict
    where `stop` was set or the time is over, UnsupportedModel where the process just ended.
    """
    with subprocess.Popen(
        [sys.executable, "-I", "-c", BOOT, str(ROOT), module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=folder,
    ) as process:
        watch = _Watch(process, seconds, stop or threading.Event())
        try:
            said = _listen(cast("IO[bytes]", process.stdout), report)
        except BaseException:  # such as Ctrl+C: leaving would wait for the process
            process.kill()
            raise
        watch.end()
    if watch.killed:
        raise Conflict(watch.killed)
    if process.returncode == 0 and said and "error" not in said:
        return said
    raise _reason(said, watch.complaints)


def tell(**said: Any) -> None:
    """One line for the parent, from inside the process."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def complain(error: WebuiError) -> int:
    """Tell the parent of an error; returns the exit code."""
    tell(error=type(error).__name__, sentence=error.sentence, detail=error.detail)
    return 1


class Meter:
    """Tells the parent how many of `total` bytes are done, now and then."""

    def __init__(self, total: int) -> None:
        self._done, self._total, self._told = 0, total, 0.0

    def add(self, size: int) -> None:
        """So many bytes more are done."""
        self._done += size
        if time.monotonic() - self._told > EVERY:
            self._told = time.monotonic()
            tell(done=self._done, total=self._total)


class _Watch:
    """Ends the process when it is told to or its time is over, and keeps what it complains of."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", seconds: float | None, stop: threading.Event
    ) -> None:
        self.killed = self.complaints = ""
        self._process = process
        self._until = None if seconds is None else time.monotonic() + seconds
        self._stop = stop
        jobs = (self._look, self._hear)
        self._threads = [threading.Thread(target=job, name="errand", daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Wait for the process, and for the last look at it."""
        self._process.wait()
        for thread in self._threads:
            thread.join()

    def _look(self) -> None:
        while self._process.poll() is None:
            if self._stop.wait(LOOK):
                self.killed = "It was stopped."
            elif self._until is not None and time.monotonic() > self._until:
                self.killed = "It took too long and was ended."
            if self.killed:
                self._process.kill()
                return

    def _hear(self) -> None:
        """Keep the end of what it complains of; a full pipe would hold it up."""
        for line in _lines(cast("IO[bytes]", self._process.stderr)):
            self.complaints = (self.complaints + line.decode(errors="replace"))[-LONGEST_LINE:]


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    while line := stream.readline(LONGEST_LINE):
        yield line


def _listen(stream: IO[bytes], report: Report) -> dict[str, Any]:
    """Pass on how far it is; returns the last word."""
    last: dict[str, Any] = {}
    for line in _lines(stream):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        last = cast("dict[str, Any]", said) if isinstance(said, dict) else last
        if last.get("total"):
            report(min(1.0, float(last["done"]) / float(last["total"])))
    return last


def _reason(said: Mapping[str, Any], complaints: str) -> WebuiError:
    kinds = {kind.__name__: kind for kind in TELLABLE}
    kind = kinds.get(str(said.get("error")), UnsupportedModel)
    if "sentence" in said:
        return kind(str(said["sentence"]), str(said.get("detail", "")))
    return UnsupportedModel(
        "The process that read the file ended: the file is damaged, or made to do harm.", complaints
    )


@contextmanager
def workshop(root: Path, prefix: str) -> Generator[Path, None, None]:
    """A hidden folder below `root` for what is not finished; it goes with all that is in it.

    Raises StorageError.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        _clear(root, prefix)
        place = Path(tempfile.mkdtemp(prefix=prefix, dir=root)).absolute()
    except OSError as error:
        raise StorageError("The models folder cannot be written to.", str(error)) from error
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _clear(root: Path, prefix: str) -> None:
    for left in root.glob(f"{prefix}*"):
        if time.time() - left.stat().st_mtime > FORGOTTEN:
            shutil.rmtree(left, ignore_errors=True)
