"""What runs in the process of its own: an order is fetched, checked, and put into its place.

It is given the order's folder, the models folder and the sites. Its last word names the `path`
below the models folder, and `kind`, `family` and `pickled`.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from webui.errors import Conflict, StorageError, UnsupportedModel, WebuiError
from webui.library.download.client import Client, Sites
from webui.library.download.fetching import PAUSE, fetch_file, forget_part, size_of
from webui.library.download.filing import Filed, check_absent, file_model
from webui.library.download.orders import Order
from webui.library.download.parts import DONE, finished_of, forget, part_of, read_order
from webui.library.errands import Meter, complain, tell

SITES = TypeAdapter(Sites)


def main(arguments: list[str]) -> int:
    """Fetch `arguments`: folder of the order, models folder, sites as JSON. Returns the code."""
    place, models_dir, sites = arguments
    try:
        filed = bring(Path(place), Path(models_dir), SITES.validate_json(sites))
    except WebuiError as error:
        return complain(error)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return complain(StorageError(f"The download could not be written: {reason}."))
    tell(
        path=filed.path.relative_to(models_dir).as_posix(),
        kind=filed.identity.kind,
        family=filed.identity.family,
        pickled=filed.pickled,
    )
    return 0


def bring(place: Path, models_dir: Path, sites: Sites, pause: float = PAUSE) -> Filed:
    """Fetch what the order in `place` asks for; `place` is gone afterwards, if all went well.

    So it is where the same file is there already, or what came is no model. Raises Conflict where
    another process fetches it.
    """
    lock = FileLock(place.with_name(f"{place.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise Conflict("It is being downloaded already, by another process.") from error
    try:
        return _bring(place, models_dir, sites, pause)
    finally:
        lock.release()
        with suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)


def _bring(place: Path, models_dir: Path, sites: Sites, pause: float) -> Filed:
    order = read_order(place)
    with _useless(place):
        check_absent(order, models_dir)
    _fetch(order, place, sites, pause)
    with _useless(place):
        filed = file_model(order, place / DONE / order.name, models_dir)
    forget(place)
    return filed


@contextmanager
def _useless(place: Path) -> Generator[None, None, None]:
    """What goes wrong inside cannot go better another time: the order is forgotten."""
    try:
        yield
    except (UnsupportedModel, Conflict):
        forget(place)
        raise


def _fetch(order: Order, place: Path, sites: Sites, pause: float) -> None:
    """Every file of the order, those that are here already left out."""
    count = Count(Meter(max(order.size, 1)))
    with Client(sites) as client:
        for index, wanted in enumerate(order.files):
            part, target = part_of(place, index), finished_of(place, order, index)
            if not target.is_file():
                fetch_file(client, wanted, part, count.tell, pause)
                target.parent.mkdir(parents=True, exist_ok=True)
                part.replace(target)
                forget_part(part)
            count.end(size_of(target))


class Count:
    """Tells a meter of a file's bytes, of which those that are asked for again count once."""

    def __init__(self, meter: Meter) -> None:
        self._meter, self._told = meter, 0

    def tell(self, done: int) -> None:
        """So many bytes of the present file are there."""
        self._meter.add(done - self._told)
        self._told = done

    def end(self, size: int) -> None:
        """The present file is there with `size` bytes."""
        self.tell(size)
        self._told = 0


def run() -> None:
    """Fetch what the command line says."""
    sys.exit(main(sys.argv[1:]))
