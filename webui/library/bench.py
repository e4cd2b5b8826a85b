"""The bench: conversions and merges of model files, one at a time, watched from any face."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from webui.contract.fields import Frozen
from webui.contract.merging import MergeRequest
from webui.errors import Conflict, InvalidRequest, NotFound, WebuiError
from webui.library.catalog import Catalog
from webui.library.conversion.process import convert_model, pickled_files
from webui.library.errands import Report
from webui.library.lane import Lane, Work
from webui.library.merging import merge_models


class PickledFile(Frozen):
    """A file that needs conversion: its path below its models folder, and its size in bytes."""

    name: str
    size: int


class Bench:
    """Works on the files of `catalog`; new ones go below the folder that `models_dir` gives.

    Every method may be called from any thread and returns at once.
    """

    def __init__(self, catalog: Catalog, models_dir: Callable[[], Path]) -> None:
        self._catalog = catalog
        self._models_dir = models_dir
        self._lane = Lane("bench")

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
        return self._lane.begin(label, lambda report, stop: self._convert(files, report, stop))

    def merge(self, request: MergeRequest) -> Work:
        """Begin to merge checkpoints. Raises Conflict."""

        def job(report: Report, stop: threading.Event) -> str:
            merged = merge_models(request, self._catalog, self._models_dir(), report, stop)
            return f"{merged.path.name}: {merged.mixed} of {merged.tensors} tensors were mixed."

        return self._lane.begin("Merging checkpoints", job)

    def work(self) -> Work | None:
        """What is done now, or was done last; None before the first."""
        return self._lane.work()

    def stop(self) -> None:
        """End the present work; nothing of it is left."""
        self._lane.stop()

    def close(self) -> None:
        """End the present work and wait for that."""
        self._lane.close()

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
