"""Orders on disk: what was agreed to and has not all arrived, in hidden folders of their own.

They lie below the models folder, so that a finished file only has to be given its name.
"""

import hashlib
import logging
import shutil
from pathlib import Path

from webui.contract.fields import Frozen
from webui.errors import NotFound, StorageError
from webui.library.download.fetching import size_of
from webui.library.download.orders import Order

log = logging.getLogger(__name__)

FOLDER = ".downloads"
ORDER = "order.json"
DONE = "done"
LARGEST = 4_000_000


class Unfinished(Frozen):
    """An order that can be gone on with: its name, how much there is of it, in bytes."""

    id: str
    name: str
    title: str
    size: int
    done: int


def keep_order(models_dir: Path, order: Order) -> Path:
    """The folder of `order`; what has arrived of the same one is still in it. Raises StorageError.

    The addresses in it may hold keys of their own, so that nobody else may read it.
    """
    text = order.model_dump_json()
    place = models_dir / FOLDER / hashlib.sha256(text.encode()).hexdigest()[:16]
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        (place / ORDER).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError("The models folder cannot be written to.", str(error)) from error
    return place


def read_order(place: Path) -> Order:
    """The order that is kept in `place`; raises StorageError."""
    try:
        path = place / ORDER
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too long")
        return Order.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StorageError("What was to be downloaded cannot be read.", str(error)) from error


def part_of(place: Path, index: int) -> Path:
    """Where the file number `index` of an order arrives."""
    return place / f"{index}.part"


def finished_of(place: Path, order: Order, index: int) -> Path:
    """Where the file lies, under its name, once it is whole and checked."""
    return place / DONE / order.folder / order.files[index].name


def unfinished(models_dir: Path) -> tuple[Unfinished, ...]:
    """What can be gone on with, by name."""
    found: list[Unfinished] = []
    for path in sorted((models_dir / FOLDER).glob(f"*/{ORDER}")):
        try:
            order = read_order(path.parent)
        except StorageError as error:
            log.warning("%s (%s)", error.sentence, error.detail)
            continue
        found.append(
            Unfinished(
                id=path.parent.name,
                name=order.name,
                title=order.title,
                size=order.size,
                done=arrived(path.parent, order),
            )
        )
    return tuple(sorted(found, key=lambda each: each.name.casefold()))


def arrived(place: Path, order: Order) -> int:
    """How many bytes of an order are here."""
    return sum(
        size_of(part_of(place, n)) + size_of(finished_of(place, order, n))
        for n in range(len(order.files))
    )


def place_of(models_dir: Path, id: str) -> Path:
    """The folder of the order called `id`; raises NotFound."""
    known = {path.parent.name: path.parent for path in (models_dir / FOLDER).glob(f"*/{ORDER}")}
    if id not in known:
        raise NotFound("unfinished download", id, (), "id")
    return known[id]


def forget(place: Path) -> None:
    """Remove an order with all that has arrived of it."""
    shutil.rmtree(place, ignore_errors=True)
