"""Pictures over HTTP: artifacts, thumbnails and uploads, as images and nothing else."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

import io
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Query
from PIL import Image
from starlette.responses import FileResponse, Response

from webui.contract.request import Blob, Sha256
from webui.errors import NotFound, StorageError
from webui.images.storage import media_type_of
from webui.jobs.views import ArtifactView

IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/avif"})
THUMBNAIL_SIZE = 256  # pixels, longest side
THUMBNAILS_BYTES = 16 * 2**20  # kept in memory

Find = Callable[[int], tuple[ArtifactView, Path]]


class Thumbnails:
    """Small JPEGs of artifacts, the latest used ones kept in memory."""

    def __init__(self, capacity: int = THUMBNAILS_BYTES) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sha256: str, path: Path) -> bytes:
        """The thumbnail of the picture with this hash; raises StorageError."""
        with self._lock:
            if sha256 in self._kept:
                self._kept.move_to_end(sha256)
                return self._kept[sha256]
        small = make_thumbnail(path)
        with self._lock:
            self._kept[sha256] = small
            while sum(map(len, self._kept.values())) > self._capacity:
                self._kept.popitem(last=False)
        return small


def make_thumbnail(path: Path) -> bytes:
    """A JPEG of at most THUMBNAIL_SIZE pixels on its longest side, without metadata."""
    out = io.BytesIO()
    try:
        with Image.open(path) as image:
            image.draft("RGB", (THUMBNAIL_SIZE, THUMBNAIL_SIZE))
            image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
            image.convert("RGB").save(out, "JPEG", quality=85)
    except (OSError, ValueError) as error:
        raise StorageError("The picture's file cannot be read.", repr(error)) from error
    return out.getvalue()


def picture_routes(find: Find) -> APIRouter:
    """Routes that serve artifacts by the id that the database gave them, never by a path."""
    router = APIRouter(prefix="/api/v1/artifacts", tags=["artifacts"])
    thumbnails = Thumbnails()

    @router.get("/{artifact_id}", response_class=FileResponse)
    def get_artifact(
        artifact_id: int,
        download: Annotated[bool, Query(description="Send it as a file to keep.")] = False,
        if_none_match: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        """The picture itself, as it was filed."""
        view, path = find(artifact_id)
        headers = _headers(f'"{view.sha256}"')
        if headers["ETag"] in if_none_match and not download:
            return Response(status_code=304, headers=headers)
        if not path.is_file():
            raise NotFound("file in the outputs folder", path.name)
        media_type = view.media_type
        if media_type not in IMAGE_TYPES:
            media_type, download = "application/octet-stream", True
        headers["Content-Disposition"] = disposition(path.name, download)
        return FileResponse(path, headers=headers, media_type=media_type)

    @router.get("/{artifact_id}/thumbnail", response_class=Response)
    def get_thumbnail(
        artifact_id: int, if_none_match: Annotated[str, Header(include_in_schema=False)] = ""
    ) -> Response:
        """A small JPEG of the picture."""
        view, path = find(artifact_id)
        headers = _headers(f'"{view.sha256}-thumbnail"')
        if headers["ETag"] in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(thumbnails.get(view.sha256, path), 200, headers, "image/jpeg")

    return router


def upload_routes(read: Callable[[Blob], bytes]) -> APIRouter:
    """The uploaded pictures, by the hash that the upload answered."""
    router = APIRouter(prefix="/api/v1/blobs", tags=["words and pictures"])

    @router.get("/{sha256}", response_class=Response)
    def get_blob(
        sha256: Sha256, if_none_match: Annotated[str, Header(include_in_schema=False)] = ""
    ) -> Response:
        """An uploaded picture, byte for byte."""
        headers = _headers(f'"{sha256}"')
        data = read(Blob(sha256=sha256))
        if headers["ETag"] in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(data, 200, headers, media_type_of(data))

    return router


def disposition(name: str, download: bool) -> str:
    """A Content-Disposition that survives every file name."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    kind = "attachment" if download else "inline"
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name)}"
    return f'{kind}; filename="{plain}"{extended}'


def _headers(etag: str) -> dict[str, str]:
    return {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        # A picture opened on its own is a document of ours: it may do nothing.
        "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; "
        "sandbox; frame-ancestors 'none'",
    }
