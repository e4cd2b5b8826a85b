"""Downloads from the outside: what is there to be had, and an order run in its own process."""

from pathlib import Path
from threading import Event

from webui.errors import Conflict, StorageError
from webui.library.download.addresses import CivitaiAddress, HubAddress, read_address
from webui.library.download.anywhere import find_file
from webui.library.download.child import SITES
from webui.library.download.civitai import find_on_civitai
from webui.library.download.client import Client, Sites
from webui.library.download.fetching import ROOM, free_space
from webui.library.download.hub import find_on_hub
from webui.library.download.orders import Find, Order
from webui.library.download.parts import forget, keep_order, read_order
from webui.library.errands import Report, run_errand, silent
from webui.library.folders import folder_for

CHILD = "webui.library.download.child"


def look_up(address: str, sites: Sites, models_dir: Path) -> Find:
    """What can be had at `address`: asks its site, and nothing else.

    Raises InvalidRequest, Unavailable.
    """
    asked = read_address(address, sites.hub, sites.civitai)
    with Client(sites) as client:
        if isinstance(asked, HubAddress):
            found = find_on_hub(client, asked)
        elif isinstance(asked, CivitaiAddress):
            found = find_on_civitai(client, asked)
        else:
            found = find_file(client, asked)
    offer = found.offer.model_copy(update={"free": free_space(models_dir)})
    return found.model_copy(update={"offer": offer})


def accept(order: Order, models_dir: Path) -> Path:
    """Keep `order` on disk, to be fetched; returns its folder.

    Raises Conflict where the same folder is there already, StorageError where it does not fit.
    """
    target = folder_for(models_dir, order.kind) / order.name
    if order.folder and target.is_dir():
        raise Conflict(f"{order.name} is in {target.parent.name} already.")
    lacking = order.size + ROOM - free_space(models_dir)
    place = keep_order(models_dir, order)
    arrived = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    if lacking > arrived:
        if not any(place.glob("*.part")):
            forget(place)
        raise StorageError(
            f"{order.name} does not fit: {max(1, (lacking - arrived) // 1_000_000)} MB more are "
            "needed on the drive of the models folder."
        )
    return place


def fetch(
    place: Path,
    models_dir: Path,
    sites: Sites,
    report: Report = silent,
    stop: Event | None = None,
) -> str:
    """Fetch the order in `place` in a process of its own; returns what there is to say.

    Where it is stopped or cut, what has arrived stays and can be gone on with. Raises Conflict,
    UnsupportedModel, Unavailable, StorageError.
    """
    order = read_order(place)
    arguments = [str(place.absolute()), str(models_dir.absolute()), SITES.dump_json(sites).decode()]
    said = run_errand(CHILD, arguments, report, stop)
    if said["pickled"]:
        return (
            f"{said['path']} is here. It is pickled, so it is not loaded: convert it on the tab "
            "Convert or by `python -m webui models convert`."
        )
    kind = "model in a folder" if order.folder else str(said["kind"]).replace("_", " ")
    what = " ".join(word for word in (kind, str(said["family"])) if word)
    return f"{said['path']} is here ({what})."
