"""The desk: downloads looked up, agreed to, gone on with and forgotten, one at a time."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock

from webui.errors import Conflict, NotFound
from webui.library.catalog import Catalog
from webui.library.download import parts
from webui.library.download.client import Sites
from webui.library.download.orders import Find, Offer
from webui.library.download.parts import Unfinished
from webui.library.download.process import accept, fetch, look_up
from webui.library.errands import Report
from webui.library.lane import Lane, Work

MOST_OFFERS = 50
"""Offers that wait for an answer; the oldest is forgotten first."""


class Desk:
    """Fetches into the folder that `models_dir` gives, from where `sites` says.

    Every method may be called from any thread; all but `look_up` return at once.
    """

    def __init__(
        self, catalog: Catalog, models_dir: Callable[[], Path], sites: Callable[[], Sites]
    ) -> None:
        self._catalog = catalog
        self._models_dir = models_dir
        self._sites = sites
        self._lane = Lane("download")
        self._finds: OrderedDict[str, Find] = OrderedDict()
        self._guard = Lock()
        self._present = ""

    def look_up(self, address: str) -> Offer:
        """Ask the site what can be had. Raises InvalidRequest, Unavailable."""
        found = look_up(address, self._sites(), self._models_dir())
        id = secrets.token_hex(8)
        with self._guard:
            self._finds[id] = found
            while len(self._finds) > MOST_OFFERS:
                self._finds.popitem(last=False)
        return found.offer.model_copy(update={"id": id})

    def add(self, offer: str, choice: int = 0) -> Work:
        """Begin to fetch a choice of an offer: this is the yes.

        Raises NotFound, Conflict, StorageError.
        """
        with self._guard:
            found = self._finds.get(offer)
        if found is None or not 0 <= choice < len(found.orders):
            raise NotFound("offer", offer, (), "offer")
        order = found.orders[choice]
        self._check_free()
        return self._begin(accept(order, self._models_dir()), order.name)

    def unfinished(self) -> tuple[Unfinished, ...]:
        """What can be gone on with; what is being fetched now is none of it."""
        work = self._lane.work()
        present = self._present if work is not None and work.state == "running" else ""
        return tuple(u for u in parts.unfinished(self._models_dir()) if u.id != present)

    def resume(self, id: str) -> Work:
        """Go on with what was cut or stopped. Raises NotFound, Conflict, StorageError."""
        place = parts.place_of(self._models_dir(), id)
        return self._begin(place, parts.read_order(place).name)

    def forget(self, id: str) -> None:
        """Remove what has arrived of an order. Raises NotFound, Conflict while it is fetched."""
        place = parts.place_of(self._models_dir(), id)
        work = self._lane.work()
        if id == self._present and work is not None and work.state == "running":
            raise Conflict("It is being downloaded; stop it first.")
        parts.forget(place)

    def work(self) -> Work | None:
        """What is fetched now, or was fetched last."""
        return self._lane.work()

    def stop(self) -> None:
        """End the present download; what has arrived stays."""
        self._lane.stop()

    def close(self) -> None:
        """End the present download and wait for that."""
        self._lane.close()

    def _check_free(self) -> None:
        work = self._lane.work()
        if work is not None and work.state == "running":
            raise Conflict(f"{work.label}: wait until that is done, or stop it.")

    def _begin(self, place: Path, name: str) -> Work:
        def job(report: Report, stop: Event) -> str:
            try:
                return fetch(place, self._models_dir(), self._sites(), report, stop)
            finally:
                self._catalog.shelf.refresh()

        begun = self._lane.begin(f"Downloading {name}", job)
        self._present = place.name
        return begun
