"""What the first bytes of a picture file say, read without decoding anything.

Checks here cost microseconds whatever the file claims to hold.
"""

import struct
from collections.abc import Iterator
from typing import Literal

Format = Literal["png", "jpg", "webp", "avif"]
"""The picture formats that are read and written."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KNOWN_OTHERS = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "SVG or XML"),
    (b"<!DOC", "HTML"),
    (b"<html", "HTML"),
)


def sniff(data: bytes) -> Format | None:
    """The format of a picture file by its signature; None for everything that is not read here."""
    if data.startswith(PNG_SIGNATURE):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and (data[8:12] in (b"avif", b"avis") or _avif_brand(data)):
        return "avif"
    return None


def name_of_other(data: bytes) -> str:
    """A name for a file kind that is not read here, for a sentence; "" where it is not known."""
    start = data[:64].lstrip()
    return next((name for mark, name in _KNOWN_OTHERS if start.startswith(mark)), "")


def size_in_header(data: bytes) -> tuple[int, int] | None:
    """Width and height where PNG or WebP bytes state them at a fixed place; None otherwise."""
    if data.startswith(PNG_SIGNATURE) and data[12:16] == b"IHDR" and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    if data[:4] != b"RIFF" or len(data) < 30:
        return None
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Type and content of each chunk of a PNG file, up to the first broken one."""
    view, position = memoryview(data), len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(view[position : position + 4], "big")
        kind = bytes(view[position + 4 : position + 8])
        end = position + 8 + length
        if end + 4 > len(data):
            return
        yield kind, view[position + 8 : end]
        position = end + 4


def riff_chunk(data: bytes, wanted: bytes) -> bytes:
    """The content of the first chunk of this type in a WebP file; b"" where there is none."""
    position = 12
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == wanted:
            return data[position + 8 : position + 8 + length]
        position += 8 + length + (length & 1)
    return b""


def _avif_brand(data: bytes) -> bool:
    """Whether the compatible brands of an ISO media file name AVIF."""
    size = int.from_bytes(data[:4], "big")
    return b"avif" in data[16 : min(size, 256)]
