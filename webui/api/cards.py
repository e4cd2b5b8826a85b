"""The cards of models over HTTP: search, previews as small pictures, what people write."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from webui.errors import StorageError
from webui.images.decode import DecodeLimits, decode_image
from webui.library.cards import Card, CardBook, Deck, Notes, Page, Sort
from webui.library.training import TrainingTag

PREVIEW_SIZE = (320, 480)  # pixels
PREVIEWS_KEPT = 400
LIMITS = DecodeLimits(max_bytes=32 * 2**20)

Words = Annotated[str, Query(max_length=300)]


class Portrait(BaseModel):
    """The finished picture that becomes a card's."""

    artifact: int = Field(description="The number of a picture of a job.")


class Previews:
    """Small WebP pictures by file, size and time; the latest used ones are kept in memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, mark: str, path: Path) -> bytes:
        """The small picture of the file at `path`; raises InvalidRequest where it is none."""
        with self._lock:
            if mark in self._kept:
                self._kept.move_to_end(mark)
                return self._kept[mark]
        small = make_preview(path)
        with self._lock:
            self._kept[mark] = small
            while len(self._kept) > PREVIEWS_KEPT:
                self._kept.popitem(last=False)
        return small


def make_preview(path: Path) -> bytes:
    """The picture at `path` as a WebP that fits into PREVIEW_SIZE; raises InvalidRequest."""
    try:
        with path.open("rb") as stream:
            data = stream.read(LIMITS.max_bytes + 1)
    except OSError as error:
        raise StorageError("The preview picture cannot be read.", str(error)) from error
    image, out = decode_image(data, "preview", LIMITS), io.BytesIO()
    image.thumbnail(PREVIEW_SIZE)
    image.save(out, "WEBP", quality=80)
    return out.getvalue()


def card_routes(book: CardBook, find_picture: Callable[[int], Path]) -> APIRouter:
    """Cards by ids of ours; no address holds a path. `find_picture` gives an artifact's file."""
    router = APIRouter(prefix="/api/v1/cards", tags=["models"])
    router.include_router(picture_routes(book, find_picture))

    @router.get("")
    def get_cards(
        deck: Deck,
        text: Words = "",
        family: Words = "",
        folder: Words = "",
        favourites: bool = False,
        sort: Sort = "name",
        first: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=200)] = 60,
    ) -> Page:
        """The models of a deck on whose cards every word of `text` stands."""
        return book.search(deck, text, family, folder, favourites, sort, first, count)

    @router.get("/{id}")
    def get_card(id: str) -> Card:
        """One card."""
        return book.card(id)

    @router.get("/{id}/notes")
    def get_notes(id: str) -> Notes:
        """What a person wrote on a card."""
        return book.written(id)

    @router.put("/{id}/notes")
    def put_notes(id: str, notes: Notes) -> Card:
        """Write on a card; what is null goes back to what the files beside the model say."""
        return book.write(id, notes)

    @router.get("/{id}/training")
    def get_training(id: str) -> tuple[TrainingTag, ...]:
        """The words that stood at most pictures that a model was trained on."""
        return book.trained_on(id)

    return router


def picture_routes(book: CardBook, find_picture: Callable[[int], Path]) -> APIRouter:
    """The pictures on cards."""
    router, previews = APIRouter(), Previews()

    @router.put("/{id}/preview")
    def put_preview(id: str, portrait: Portrait) -> Card:
        """Show a finished picture on a card; the file beside the model stays as it is."""
        return book.portray(id, make_preview(find_picture(portrait.artifact)))

    @router.delete("/{id}/preview")
    def delete_preview(id: str) -> Card:
        """Show the picture beside the model again."""
        return book.unportray(id)

    @router.get("/{id}/preview", response_class=Response)
    def get_preview(
        id: str, if_none_match: Annotated[str, Header(include_in_schema=False)] = ""
    ) -> Response:
        """The picture of a card, as a small WebP."""
        path = book.preview(id)
        try:
            status = path.stat()
        except OSError as error:
            raise StorageError("The preview picture is gone.", str(error)) from error
        mark = f'"{id}-{status.st_size}-{status.st_mtime_ns}"'
        headers = {"ETag": mark, "Cache-Control": "private, no-cache"}
        headers["X-Content-Type-Options"] = "nosniff"
        if mark in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(previews.get(mark, path), 200, headers, "image/webp")

    return router
