"""What runs in the process of its own: reads two or three checkpoints, writes one.

Its last word is the file's `name` in the folder that it was given, how many `tensors` it has, and
how many of them were `mixed`.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from webui.contract.merging import MergeRequest
from webui.errors import StorageError, WebuiError
from webui.library.errands import Meter, complain, tell
from webui.library.hashes import HashCache
from webui.library.merging import MergeOrder
from webui.library.tensorfile import Buffer, TensorReader, byte_size, sync_file, write_tensors
from webui.weights.merge.plan import suffix_of
from webui.weights.merge.recipe import Source, make_metadata, name_of
from webui.weights.merge.vae import renamed_vae
from webui.weights.merge.work import Merge

ENDING, CONFIG = ".safetensors", ".yaml"
ROOM = 1 << 24
MB = 1_000_000
CONFIG_OWNERS = {"any": (0, 1, 2), "b": (1,), "c": (2,), "none": ()}


def run() -> None:
    """Merge what the command line says, and end the process with its exit code."""
    try:
        tell(**merge(MergeOrder.model_validate_json(sys.argv[1])))
    except WebuiError as error:
        sys.exit(complain(error))
    except OSError as error:
        sys.exit(complain(StorageError(f"The merge could not be written: {error.strerror}.")))


def merge(order: MergeOrder) -> dict[str, Any]:
    """Write the merged file into the order's folder; returns what there is to tell of it."""
    asked = order.request
    with ExitStack() as files:
        models = [files.enter_context(TensorReader(source.path)) for source in order.sources]
        vae = None
        if order.vae is not None:
            vae = files.enter_context(TensorReader(renamed_vae(order.vae, order.folder)))
        work = Merge(asked, models, vae)
        infos = {name: step.out for name, step in work.steps.items()}
        size = sum(map(byte_size, infos.values()))
        _check_room(order.folder, size)
        sources = _sources(order, models)
        suffix = suffix_of(work.steps)
        path = order.folder / f"{name_of(asked, sources)}{suffix}{ENDING}"
        metadata = make_metadata(asked, sources, path.stem, suffix)
        meter = Meter(size)

        def pieces(name: str) -> Iterator[Buffer]:
            for piece in work.pieces(name):
                yield piece
                meter.add(len(piece))

        with path.open("xb") as out:
            write_tensors(out, infos, metadata, pieces)
            sync_file(out)
    _copy_config(asked, [source.path for source in order.sources], path)
    return {"name": path.name, "tensors": len(infos), "mixed": work.mixed}


def _sources(order: MergeOrder, models: list[TensorReader]) -> tuple[Source, ...]:
    """The models with their hashes, which take a reading of each file where nobody knows them."""
    hashes = HashCache(order.hashes)
    wanted = order.request.save_metadata and order.request.add_recipe
    return tuple(
        Source(s.name, s.path, model.header, hashes.sha256(s.path) if wanted else "")
        for s, model in zip(order.sources, models, strict=True)
    )


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + ROOM:
        raise StorageError(
            f"The merged file needs {size / MB:.0f} MB, and only {free / MB:.0f} MB are free."
        )


def _copy_config(asked: MergeRequest, paths: list[Path], result: Path) -> None:
    """The older UI's configuration beside a model, of the first that has one."""
    for index in CONFIG_OWNERS[asked.config]:
        beside = paths[index].with_suffix(CONFIG) if index < len(paths) else None
        if beside is not None and beside.is_file():
            shutil.copyfile(beside, result.with_suffix(CONFIG))
            return
