"""The flags of `generate`, walked off the request's fields, and the request they ask for."""

import argparse
from pathlib import Path
from typing import Any, Protocol, get_args, get_origin

from pydantic import ValidationError

from webui.contract.fields import Leaf, nest, walk
from webui.contract.request import Blob, GenerationRequest
from webui.errors import InvalidRequest

NAMES = {
    "prompt.positive": "prompt",
    "prompt.negative": "negative-prompt",
    "noise.source": "noise-source",
    "noise.resize_from_width": "seed-resize-from-width",
    "noise.resize_from_height": "seed-resize-from-height",
}
"""Flags that are not the field's own name."""

PREFIXED = ("hires", "refiner", "unipc", "inpaint")
"""Groups whose flags begin with the group's name, since others have fields of the same names."""

IMAGE = "source.image"
_DEST = "field:"
GRAIN = 8
"""Sizes are multiples of this many pixels."""


class BlobDoor(Protocol):
    """Where the picture to start from is kept."""

    def put(self, data: bytes, field: str) -> Blob:
        """Keep an image's bytes; raises InvalidRequest for what is no image."""
        ...


class Surroundings(Protocol):
    """What is asked about the models and pictures at hand."""

    @property
    def blobs(self) -> BlobDoor:
        """Where pictures to start from go."""
        ...

    def native_size(self, checkpoint: str) -> tuple[int, int] | None:
        """The (width, height) a checkpoint was made for, where it is known; "" is the default."""
        ...


def flag_of(path: str) -> str:
    """The flag of a field: `sampling.cfg_scale` is `--cfg-scale`."""
    *_, group, name = path.split(".")
    words = NAMES.get(path) or name.replace("_", "-")
    return f"--{f'{group}-' if group in PREFIXED else ''}{words}"


def add_field_flags(parser: argparse.ArgumentParser, with_source: bool) -> None:
    """Give `parser` a flag for every field of the request."""
    for leaf in walk(GenerationRequest):
        if leaf.path == IMAGE or (leaf.path.startswith("source.") and not with_source):
            continue
        _add(parser, leaf)
    parser.add_argument("--hires", action="store_true", help="make a second, larger pass")
    if with_source:
        parser.add_argument(
            "--init", type=Path, required=True, metavar="FILE", help="the picture to start from"
        )


def make_request(parsed: argparse.Namespace, around: Surroundings) -> GenerationRequest:
    """The request that the flags ask for; raises InvalidRequest naming the flag.

    Without a size it is the checkpoint's own, in the shape of the picture to start from.
    """
    given = {name: value for name, value in vars(parsed).items() if value is not None}
    values: dict[str, Any] = {
        name.removeprefix(_DEST): value for name, value in given.items() if name.startswith(_DEST)
    }
    if parsed.hires:
        values.setdefault("hires.scale", 2.0)
    shape: tuple[int, int] | None = None
    if given.get("init") is not None:
        data = _read(given["init"])
        values[IMAGE], shape = around.blobs.put(data, IMAGE), _size_of(data)
    if not {"canvas.width", "canvas.height"} & values.keys():
        size = around.native_size(values.get("model.checkpoint", ""))
        values |= _sized(size or _default_size(), shape)
    try:
        return nest(GenerationRequest(), values)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"][:2])
        raise InvalidRequest(path, f"{flag_of(path)}: {first['msg']}.") from error


def _default_size() -> tuple[int, int]:
    canvas = GenerationRequest().canvas
    return canvas.width, canvas.height


def _sized(size: tuple[int, int], shape: tuple[int, int] | None) -> dict[str, int]:
    width, height = fitting_size(shape or size, size[0] * size[1])
    return {"canvas.width": width, "canvas.height": height}


def fitting_size(size: tuple[int, int], area: int) -> tuple[int, int]:
    """The (width, height) of about `area` pixels with the shape of `size`, so nothing is bent."""
    width, height = size
    factor = (area / (width * height)) ** 0.5
    return _grained(width * factor), _grained(height * factor)


def _grained(side: float) -> int:
    return min(2048, max(64, round(side / GRAIN) * GRAIN))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(IMAGE, f"{path} cannot be read: {error.strerror}.") from error


def _size_of(data: bytes) -> tuple[int, int]:
    # Only here is a picture looked at; `generate` without --init does without the decoder.
    from webui.images.decode import decode_image  # noqa: PLC0415

    return decode_image(data, IMAGE).size


def _add(parser: argparse.ArgumentParser, leaf: Leaf) -> None:
    flag, dest = flag_of(leaf.path), _DEST + leaf.path
    text = leaf.param.help.replace("%", "%%")
    if leaf.annotation is bool:
        parser.add_argument(
            flag, dest=dest, default=None, action=argparse.BooleanOptionalAction, help=text
        )
        return
    parser.add_argument(
        flag,
        dest=dest,
        help=f"{text} [{leaf.default}]" if leaf.default not in (None, "", ()) else text,
        type=_kind(leaf.annotation),
        metavar=flag.removeprefix("--").rsplit("-", 1)[-1].upper(),
        action="append" if get_origin(leaf.annotation) is tuple else "store",
    )


def _kind(annotation: Any) -> type[int] | type[float] | type[str]:
    for kind in (float, int):
        if annotation is kind or kind in get_args(annotation):
            return kind
    return str
