"""The bytes behind the image references of an item."""

import hashlib
from pathlib import Path
from typing import Protocol

from webui.contract.items import Item, Plan
from webui.contract.request import Blob, ImageRef, OutputOf, Rooted
from webui.errors import InvalidRequest, NotFound, StorageError, Unavailable
from webui.jobs import records
from webui.jobs.store import Store

_NO_ROOTS = "This server has no folders set up from which pictures can be taken."


class Blobs(Protocol):
    """The uploaded pictures (`webui.images.blobs.BlobStore` is one)."""

    def read(self, blob: Blob) -> bytes:
        """The bytes; raises NotFound."""
        ...


def image_refs(item: Item) -> tuple[ImageRef, ...]:
    """Every picture that an item's request refers to."""
    source = item.request.source
    if source is None:
        return ()
    return (source.image,) if source.inpaint is None else (source.image, source.inpaint.mask)


class Resolver:
    """Fetches what items refer to: uploads from the blobs, outputs from where they were filed."""

    def __init__(self, store: Store, blobs: Blobs, outputs: Path) -> None:
        self._store = store
        self._blobs = blobs
        self._outputs = outputs

    def check(self, plan: Plan) -> None:
        """See that what a plan refers to is there, before it is queued.

        Raises InvalidRequest with the field, or NotFound.
        """
        seen: set[Blob] = set()
        for ref in (ref for item in plan.items for ref in image_refs(item)):
            if isinstance(ref, Blob) and ref not in seen:
                self._blobs.read(ref)
                seen.add(ref)
            elif isinstance(ref, Rooted):
                raise InvalidRequest("source.image", _NO_ROOTS)

    def resolve(self, job: int, item: Item) -> dict[ImageRef, bytes]:
        """The encoded pictures of an item.

        Raises NotFound, StorageError or Unavailable with a sentence that names the picture.
        """
        return {ref: self._read(job, ref) for ref in image_refs(item)}

    def _read(self, job: int, ref: ImageRef) -> bytes:
        if isinstance(ref, Blob):
            return self._blobs.read(ref)
        if isinstance(ref, OutputOf):
            return self._read_output(job, ref)
        raise Unavailable(_NO_ROOTS)

    def _read_output(self, job: int, ref: OutputOf) -> bytes:
        with self._store.read() as db:
            artifact = records.output_of(db, job, ref.item, ref.n)
        if artifact is None:
            raise NotFound("picture", f"{ref.n} of item {ref.item}")
        try:
            data = (self._outputs / artifact.path).read_bytes()
        except OSError as error:
            raise StorageError(
                f"The picture {artifact.path}, from which this item starts, cannot be read.",
                repr(error),
            ) from error
        if hashlib.sha256(data).hexdigest() != artifact.sha256:
            raise StorageError(
                f"The picture {artifact.path}, from which this item starts, was changed."
            )
        return data
