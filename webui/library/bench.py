"""The bench: conversions and merges of model files, one at a time, watched from any face."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from webui.contract.fields import Frozen
from webui.contract.merging import MergeRequest
from webui.errors import Conflict, InvalidRequest, NotFound, WebuiError
from webui.library.catalog import Catalog
from webui.library.conversion.process import convert_model, pickled_files
from webui.library.errands import Report
from webui.library.merging import merge_models

log = logging.getLogger(__name__)

BROKEN = "The program made a mistake; the log has the details."
PATIENCE = 10.0
"""Seconds that closing waits for the present work to end."""


class PickledFile(Frozen):
    """A file that needs conversion: its path below its models folder, and its size in bytes."""

    name: str
    size: int


class Work(Frozen):
    """What the bench does or did last: `share` from 0 to 1, `sentence` once it has ended."""

    number: int
    label: str
    state: Literal["running", "done", "failed"] = "running"
    share: float = 0.0
    sentence: str = ""


Job = Callable[[Report, threading.Event], str]
"""Work that reports its share, heeds the wish to stop, and returns what there is to say."""


class Bench:
    """Works on the files of `catalog`; new ones go below the folder that `models_dir` gives.

    Every method may be called from any thread and returns at once.
    """

    def __init__(self, catalog: Catalog, models_dir: Callable[[], Path]) -> None:
        self._catalog = catalog
        self._models_dir = models_dir
        self._guard = threading.Lock()
        self._work: Work | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def pickled(self) -> tuple[PickledFile, ...]:
        """The files that need conversion."""
        return tuple(PickledFile(name=n, size=_size(p)) for n, p in self._pickled().items())

    def vaes(self) -> tuple[str, ...]:
        """The names of the VAEs that a merge can bake in."""
        return tuple(file.name for file in self._catalog.files("vae"))

    def convert(self, names: Sequence[str]) -> Work:
        """Begin to convert files of the list. Raises NotFound, InvalidRequest, Conflict."""
        known = self._pickled()
        if not names:
            raise InvalidRequest("names", "Choose the files to convert.")
        for name in names:
            if name not in known:
                raise NotFound("file that needs conversion", name, (), "names")
        files = [known[name] for name in dict.fromkeys(names)]
        label = f"Converting {names[0] if len(files) == 1 else f'{len(files)} files'}"
        return self._begin(label, lambda report, stop: self._convert(files, report, stop))

    def merge(self, request: MergeRequest) -> Work:
        """Begin to merge checkpoints. Raises Conflict."""

        def job(report: Report, stop: threading.Event) -> str:
            merged = merge_models(request, self._catalog, self._models_dir(), report, stop)
            return f"{merged.path.name}: {merged.mixed} of {merged.tensors} tensors were mixed."

        return self._begin("Merging checkpoints", job)

    def work(self) -> Work | None:
        """What is done now, or was done last; None before the first."""
        return self._work

    def stop(self) -> None:
        """End the present work; nothing of it is left."""
        self._stop.set()

    def close(self) -> None:
        """End the present work and wait for that."""
        self.stop()
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def _begin(self, label: str, job: Job) -> Work:
        with self._guard:
            if self._work is not None and self._work.state == "running":
                raise Conflict(f"{self._work.label}: wait until that is done, or stop it.")
            self._stop = threading.Event()
            number = 1 if self._work is None else self._work.number + 1
            begun = self._work = Work(number=number, label=label)
        self._thread = threading.Thread(target=self._run, args=(job,), name="bench", daemon=True)
        self._thread.start()
        return begun

    def _run(self, job: Job) -> None:
        try:
            sentence = job(self._report, self._stop)
        except WebuiError as error:
            log.warning("%s (%s)", error.sentence, error.detail)
            self._change(state="failed", sentence=error.sentence)
        except Exception:
            log.exception("work on model files")
            self._change(state="failed", sentence=BROKEN)
        else:
            self._change(state="done", share=1.0, sentence=sentence)

    def _report(self, share: float) -> None:
        self._change(share=share)

    def _change(self, **values: object) -> None:
        if self._work is not None:
            self._work = self._work.model_copy(update=values)

    def _convert(self, files: Sequence[Path], report: Report, stop: threading.Event) -> str:
        """All of them; one that is refused does not stand in the way of the others."""
        made, faults = list[str](), list[str]()
        for index, file in enumerate(files):
            try:
                converted = convert_model(
                    file,
                    self._models_dir(),
                    lambda share, index=index: report((index + share) / len(files)),
                    stop,
                )
            except WebuiError as error:
                if stop.is_set():
                    raise
                faults.append(f"{file.name}: {error.sentence}")
            else:
                made.append(f"{converted.path.name} ({converted.identity.kind})")
        if not made:
            raise Conflict(" ".join(faults))
        return " ".join((f"Made {', '.join(made)}.", *faults))

    def _pickled(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for root in self._catalog.folders:
            for path in pickled_files([root]):
                found.setdefault(path.relative_to(root).as_posix(), path)
        return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone since it was listed
        return 0
