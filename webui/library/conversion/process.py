"""Conversion from the outside: a process of its own, watched, and its file put where it belongs."""

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from webui.errors import Conflict, StorageError
from webui.library.errands import Report, run_errand, silent, workshop
from webui.library.folders import folder_for
from webui.library.headers import read_header
from webui.library.identify import Identity, identify
from webui.library.scan import folders_below
from webui.library.tensorfile import settle

log = logging.getLogger(__name__)

ENDINGS = (".ckpt", ".pt", ".pth", ".bin")
ENDING = ".safetensors"
CHILD = "webui.library.conversion.child"
LEAST_SECONDS, BYTES_PER_SECOND = 120, 10_000_000
"""A file may take so long, and as long as a slow disk needs to read and write it."""
WORKSHOP = ".conversion-"
INHERITED = ("SYSTEMROOT", "WINDIR", "PATH", "LD_LIBRARY_PATH")


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
    report: Report = silent,
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
    with workshop(models_dir, WORKSHOP) as place:
        draft = place / name
        tensors = _run(source, draft, report, stop)
        identity = identify(read_header(draft))
        folder = source.parent if beside else folder_for(models_dir, identity.kind)
        path = settle(draft, folder / name)
    log.info("converted %s to %s (%s)", source.name, path, identity.kind)
    return Converted(path, identity, tensors)


def _new_name(source: Path) -> str:
    if source.suffix.casefold() == ENDING:  # a pickle under a false name
        return f"{source.stem}-converted{ENDING}"
    return f"{source.stem}{ENDING}"


def _run(source: Path, draft: Path, report: Report, stop: threading.Event | None) -> int:
    """Returns how many tensors the process wrote."""
    try:
        seconds = LEAST_SECONDS + source.stat().st_size // BYTES_PER_SECOND
    except OSError as error:
        raise StorageError(f"{source.name} could not be read.", str(error)) from error
    arguments = [str(source.absolute()), str(draft.absolute()), source.name, str(seconds)]
    said = run_errand(CHILD, arguments, report, stop, seconds, _environment(), draft.parent)
    return int(said["tensors"])


def _environment() -> dict[str, str]:
    """Next to nothing: where a system finds its libraries, and quiet mathematics."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
