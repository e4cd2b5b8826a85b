"""Downloads of models over HTTP."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, StringConstraints

from webui.contract.fields import Frozen, Name
from webui.library.download.desk import Desk
from webui.library.download.orders import Offer
from webui.library.download.parts import Unfinished
from webui.library.lane import Work

Address = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class Asked(Frozen):
    """An address of Hugging Face, Civitai or any file, or a repository's name (owner/model)."""

    address: Address


class Accepted(Frozen):
    """A choice of an offer, by its place in the list; asking is the user's yes."""

    offer: Name
    choice: Annotated[int, Field(ge=0)] = 0


def download_routes(desk: Desk) -> APIRouter:
    """/api/v1/downloads with its offers and its work."""
    router = APIRouter(prefix="/api/v1/downloads", tags=["downloads"])

    @router.post("/offers")
    def look_up(asked: Asked) -> Offer:
        """Ask the site what there is: kind, licence, size and free space; nothing is fetched."""
        return desk.look_up(asked.address)

    @router.post("", status_code=202)
    def add_model(asked: Accepted) -> Work:
        """Fetch a choice of an offer into the folder where models of its kind lie."""
        return desk.add(asked.offer, asked.choice)

    @router.get("")
    def list_unfinished() -> tuple[Unfinished, ...]:
        """Downloads that were stopped or cut; what has arrived of them is kept."""
        return desk.unfinished()

    @router.get("/work")
    def get_download() -> Work | None:
        """The download that runs, or that ran last."""
        return desk.work()

    @router.post("/work/stop", status_code=202)
    def stop_download() -> Work | None:
        """End the present download; it can be gone on with."""
        desk.stop()
        return desk.work()

    @router.post("/{id}/resume", status_code=202)
    def resume_download(id: str) -> Work:
        """Go on with a download where it was."""
        return desk.resume(id)

    @router.delete("/{id}", status_code=204)
    def forget_download(id: str) -> None:
        """Remove what has arrived of a download."""
        desk.forget(id)

    return router
