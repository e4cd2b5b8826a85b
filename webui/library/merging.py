"""Merges of checkpoints from the outside: names become files, another process does the rest."""

import os
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from webui.contract.fields import Frozen
from webui.contract.merging import MergeRequest
from webui.errors import InvalidRequest, NotFound
from webui.library.catalog import Catalog, ModelFile
from webui.library.errands import Report, run_errand, silent, workshop
from webui.library.folders import folder_for
from webui.library.tensorfile import settle

CHILD = "webui.weights.merge.child"
WORKSHOP = ".merge-"
ENDING = ".safetensors"
QUIET = {"OMP_WAIT_POLICY": "PASSIVE"}
FIELDS = ("primary", "secondary", "tertiary")


class MergeFile(Frozen):
    """One of the models to merge: how it is called, and its file."""

    name: str
    path: Path


class MergeOrder(Frozen):
    """What the process is given: files in place of names, where to write, where hashes are kept."""

    request: MergeRequest
    sources: tuple[MergeFile, ...]
    vae: Path | None = None
    folder: Path
    hashes: Path


@dataclass(frozen=True)
class Merged:
    """A merged checkpoint: its file, how many tensors were mixed, and of how many."""

    path: Path
    mixed: int
    tensors: int


def merge_models(
    request: MergeRequest,
    catalog: Catalog,
    models_dir: Path,
    report: Report = silent,
    stop: Event | None = None,
) -> Merged:
    """Merge as asked, into the checkpoints' folder below `models_dir`; nothing is replaced.

    Raises NotFound and InvalidRequest naming the field, ModelMismatch, UnsupportedModel, Conflict
    where the name is taken or `stop` was set, StorageError.
    """
    sources = tuple(_source(request, field, catalog) for field in needed(request))
    vae = _vae(request.vae, catalog) if request.vae else None
    folder = folder_for(models_dir, "checkpoint")
    with workshop(models_dir, WORKSHOP) as place:
        order = MergeOrder(
            request=request,
            sources=sources,
            vae=vae,
            folder=place,
            hashes=catalog.hashes.path.absolute(),
        )
        told = [order.model_dump_json()]
        said = run_errand(CHILD, told, report, stop, environment={**os.environ, **QUIET})
        draft = place / str(said["name"])
        config = draft.with_suffix(".yaml")
        path = settle(draft, folder / draft.name)
        if config.is_file():
            settle(config, path.with_suffix(".yaml"))
    return Merged(path, int(said["mixed"]), int(said["tensors"]))


def needed(request: MergeRequest) -> tuple[str, ...]:
    """The fields of the models that the method reads."""
    count = {"none": 1, "weighted_sum": 2, "add_difference": 3}[request.method]
    return FIELDS[:count]


def _source(request: MergeRequest, field: str, catalog: Catalog) -> MergeFile:
    file = catalog.resolve(getattr(request, field), field)
    _check_file(file, field)
    return MergeFile(name=file.name, path=file.path)


def _check_file(file: ModelFile, field: str) -> None:
    if file.layout == "diffusers":
        raise InvalidRequest(
            field,
            f"{file.name} is a folder; merging needs single files. "
            "`python -m webui models export` makes one of it.",
        )
    if file.path.suffix.casefold() != ENDING:
        raise InvalidRequest(field, f"{file.name} is no safetensors file; only these are merged.")


def _vae(name: str, catalog: Catalog) -> Path:
    file = catalog.find("vae", name)
    if file is None:
        raise NotFound("VAE", name, (), "vae")
    return file.path
