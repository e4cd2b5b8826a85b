"""The one guarded door for picture bytes from outside.

PNG, JPEG, WebP and AVIF enter, each only through its own decoder; size and structure are checked
before anything is unpacked. What comes out is a plain RGB or RGBA picture, turned upright, without
metadata.
"""

import base64
import binascii
import io
import logging
import re
import struct
import zlib
from dataclasses import dataclass

from PIL import Image, ImageColor

from webui.errors import InvalidRequest, TooLarge
from webui.images.headers import Format, name_of_other, png_chunks, size_in_header, sniff

log = logging.getLogger(__name__)

_DECODERS: dict[Format, str] = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "avif": "AVIF"}
_DATA_URI = re.compile(r"data:image/[\w.+-]+(?:;[\w=.+-]+)*;base64,", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BROKEN = (
    OSError, ValueError, SyntaxError, IndexError, KeyError, TypeError, EOFError, OverflowError,
    AttributeError, RuntimeError, UserWarning, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders are known to raise on damaged files."""


@dataclass(frozen=True)
class DecodeLimits:
    """How large a picture from outside may be."""

    max_bytes: int = 64 * 2**20
    max_pixels: int = 64_000_000
    max_side: int = 30_000
    max_chunks: int = 100_000
    max_text_chunks: int = 1_000
    max_scans: int = 200


DEFAULT_LIMITS = DecodeLimits()


def decode_image(data: bytes, field: str, limits: DecodeLimits = DEFAULT_LIMITS) -> Image.Image:
    """The picture in `data`, RGB or (where anything is transparent) RGBA, upright.

    Of an animation the first frame. Raises TooLarge above a limit, InvalidRequest for everything
    that is not a whole PNG, JPEG, WebP or AVIF picture; both name `field`.
    """
    kind = check_header(data, field, limits)
    try:
        with Image.open(io.BytesIO(data), formats=(_DECODERS[kind],)) as opened:
            _check_size(opened.width, opened.height, field, limits)
            opened.load()
            return _to_rgb(_upright(opened))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(field, limits) from error
    except InvalidRequest:
        raise
    except MemoryError as error:
        raise TooLarge(field, "The picture does not fit into this machine's memory.") from error
    except _BROKEN as error:
        sentence = f"The {_DECODERS[kind]} picture is damaged or cut off and cannot be read."
        raise InvalidRequest(field, sentence, repr(error)) from error


def check_header(data: bytes, field: str, limits: DecodeLimits = DEFAULT_LIMITS) -> Format:
    """The format of `data`, after all checks that need no decoding; raises as `decode_image`."""
    if len(data) > limits.max_bytes:
        raise TooLarge(
            field,
            f"The picture file has {len(data) / 2**20:.0f} MB; "
            f"the limit is {limits.max_bytes / 2**20:.0f} MB.",
        )
    kind = sniff(data)
    if kind is None:
        other = name_of_other(data)
        seen = f" This looks like {other}." if other else ""
        empty = "The picture is empty." if not data else ""
        raise InvalidRequest(
            field, empty or f"This is not a PNG, JPEG, WebP or AVIF picture.{seen}"
        )
    size = size_in_header(data)
    if size is not None:
        _check_size(*size, field, limits)
    _check_structure(data, kind, field, limits)
    return kind


def decode_base64(text: str, field: str, limits: DecodeLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of strict base64, bare or as a `data:image/...;base64,` URI.

    Line breaks are allowed. Web addresses are refused: the server fetches nothing. Raises
    InvalidRequest and TooLarge, naming `field`.
    """
    if len(text) > limits.max_bytes * 4 // 3 + 4096:
        raise TooLarge(field, f"The picture is above the limit of {limits.max_bytes >> 20} MB.")
    if _ADDRESS.match(text[:64].lstrip()):
        raise InvalidRequest(
            field, "Pictures are not fetched from addresses; send the picture itself as base64."
        )
    body = text.strip()
    if body[:5].lower() == "data:":
        prefix = _DATA_URI.match(body[:256])
        if prefix is None:
            raise InvalidRequest(field, "The data URI is not of the form data:image/png;base64,…")
        body = body[prefix.end() :]
    try:
        data = base64.b64decode(re.sub(r"[\r\n\t ]+", "", body), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(field, "The picture is not valid base64.", repr(error)) from error
    if not data:
        raise InvalidRequest(field, "The picture is empty.")
    return data


def flatten(image: Image.Image, background: str = "#ffffff") -> Image.Image:
    """`image` as RGB, laid over `background` where it is transparent."""
    if image.mode == "RGB":
        return image
    if "A" not in image.getbands():
        return image.convert("RGB")
    layer = Image.new("RGBA", image.size, ImageColor.getrgb(background))
    return Image.alpha_composite(layer, image.convert("RGBA")).convert("RGB")


def _check_size(width: int, height: int, field: str, limits: DecodeLimits) -> None:
    if width < 1 or height < 1:
        raise InvalidRequest(field, "The picture has no pixels.")
    if width > limits.max_side or height > limits.max_side:
        raise TooLarge(
            field,
            f"The picture is {width} x {height} pixels; a side may have at most {limits.max_side}.",
        )
    if width * height > limits.max_pixels:
        raise _too_many_pixels(field, limits, f"{width} x {height}")


def _too_many_pixels(field: str, limits: DecodeLimits, size: str = "") -> TooLarge:
    seen = f" ({size})" if size else ""
    most = limits.max_pixels / 1e6
    return TooLarge(field, f"The picture has too many pixels{seen}; the limit is {most:g} million.")


def _check_structure(data: bytes, kind: Format, field: str, limits: DecodeLimits) -> None:
    """Refuse files built to cost much time: countless chunks, countless JPEG scans."""
    if kind == "jpg" and data.count(b"\xff\xda") > limits.max_scans:
        raise TooLarge(field, "The JPEG picture has too many scans.")
    if kind != "png":
        return
    texts = 0
    for count, (name, _) in enumerate(png_chunks(data)):
        texts += name in (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf")
        if count > limits.max_chunks or texts > limits.max_text_chunks:
            raise TooLarge(field, "The PNG picture has too many chunks.")


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation: object = image.getexif().get(_ORIENTATION)
    except _BROKEN as error:
        log.debug("unreadable EXIF, orientation ignored: %r", error)
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA by rule, as a new picture with no metadata.

    16-bit grey keeps its upper 8 bits; full opacity drops the alpha channel.
    """
    if image.mode.startswith("I") or image.mode == "F":
        scale = 1.0 if image.mode == "F" else 1 / 256
        wide = image.convert("I") if image.mode.startswith("I") else image
        image = wide.point(lambda value: value * scale).convert("L")
    if image.has_transparency_data:
        result = image.convert("RGBA")
        if result.getchannel("A").getextrema() == (255, 255):
            result = result.convert("RGB")
    else:
        result = image.convert("RGB")
    result.info.clear()
    return result
