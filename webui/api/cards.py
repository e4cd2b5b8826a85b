"""The cards of models over HTTP: search, previews as small pictures, and what people write."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

import io
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from webui.errors import StorageError
from webui.images.decode import DecodeLimits, decode_image
from webui.library.cards import Card, CardBook, Deck, Notes, Page, Sort

PREVIEW_SIZE = (320, 480)  # pixels
PREVIEWS_KEPT = 400
LIMITS = DecodeLimits(max_bytes=32 * 2**20)

Words = Annotated[str, Query(max_length=300)]


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


def card_routes(book: CardBook) -> APIRouter:
    """Cards by ids of ours; no address holds a path."""
    router = APIRouter(prefix="/api/v1/cards", tags=["models"])
    previews = Previews()

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

    @router.get("/{id}/preview", response_class=Response)
    def get_preview(
        id: str, if_none_match: Annotated[str, Header(include_in_schema=False)] = ""
    ) -> Response:
        """The picture beside a model, as a small WebP."""
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
