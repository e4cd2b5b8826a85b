"""Puts what has arrived where it belongs: told by its header, under a safe name, over nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from webui.errors import Conflict, UnsupportedModel
from webui.library.download.fetching import SLACK, hash_of
from webui.library.download.orders import SIDECAR, Order, is_pickled
from webui.library.folders import folder_for
from webui.library.headers import read_header
from webui.library.identify import Identity, Kind, identify
from webui.library.tensorfile import settle

UNKNOWN = Identity("unknown")
MOST_NAMES = 100
STARTS = (b"PK", b"\x80")
"""How pickles begin: zipped by torch, or as they are."""


@dataclass(frozen=True)
class Filed:
    """Where a model is now, what it is, and whether it must be converted first."""

    path: Path
    identity: Identity
    pickled: bool = False


def file_model(order: Order, draft: Path, models_dir: Path) -> Filed:
    """Move the finished file or folder `draft` below `models_dir`, with what its site tells.

    Raises UnsupportedModel for what is no model, Conflict, StorageError.
    """
    if order.folder:
        return Filed(_settle_folder(draft, folder_for(models_dir, "checkpoint")), UNKNOWN)
    identity, pickled = look_at(draft)
    kind: Kind = order.kind if identity.kind == "unknown" else identity.kind
    path = _settle_free(draft, folder_for(models_dir, kind))
    _write_told(order, path)
    return Filed(path, identity, pickled)


def check_absent(order: Order, models_dir: Path) -> None:
    """Raise Conflict where the very file that is asked for lies in its folder already."""
    wanted = order.files[0]
    target = folder_for(models_dir, order.kind) / order.name
    if order.folder or not wanted.sha256 or not target.is_file():
        return
    # Many models of one name have one size, so that only the checksum tells.
    if abs(target.stat().st_size - wanted.size) <= SLACK and hash_of(target) == wanted.sha256:
        raise Conflict(f"{order.name} is in {target.parent.name} already.")


def look_at(draft: Path) -> tuple[Identity, bool]:
    """What a file is by its header, and whether it is a pickle, of which nothing is read.

    Raises UnsupportedModel for a pickle under a false name, and for what is no model.
    """
    if not is_pickled(draft.name):
        return identify(read_header(draft)), False
    with draft.open("rb") as stream:
        start = stream.read(2)
    if not start.startswith(STARTS):
        raise UnsupportedModel(f"{draft.name} is no model file.", f"it starts with {start!r}")
    return UNKNOWN, True


def _settle_free(draft: Path, folder: Path) -> Path:
    """Under its name, or the first free one like it."""
    for name in _names(draft.name):
        try:
            return settle(draft, folder / name)
        except Conflict:
            continue
    raise Conflict(f"There are too many files called {draft.name} already in {folder.name}.")


def _settle_folder(draft: Path, folder: Path) -> Path:
    """The same for a folder; every weight in it is looked at first."""
    for weights in sorted(draft.rglob("*.safetensors")):
        read_header(weights)
    folder.mkdir(parents=True, exist_ok=True)
    for name in _names(draft.name):
        if not (folder / name).exists():
            return draft.rename(folder / name)
    raise Conflict(f"There are too many folders called {draft.name} already in {folder.name}.")


def _names(name: str) -> Iterator[str]:
    stem, point, ending = name.rpartition(".")
    yield name
    for number in range(2, MOST_NAMES):
        yield f"{stem} ({number}).{ending}" if point else f"{name} ({number})"


def _write_told(order: Order, path: Path) -> None:
    """What the site tells, beside the model; a file that is there already stays as it is."""
    if not order.told:
        return
    ending = SIDECAR if "trainedWords" in order.told else ".json"
    try:
        with path.with_suffix(ending).open("xb") as stream:
            stream.write(orjson.dumps(order.told, option=orjson.OPT_INDENT_2))
    except OSError:  # the model is there, which is what counts
        return
