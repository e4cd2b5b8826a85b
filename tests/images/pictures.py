"""Pictures and picture files for the tests."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

from webui.images.headers import PNG_SIGNATURE


def gradient(width: int = 48, height: int = 32) -> Image.Image:
    """A picture in which every pixel and every direction differs."""
    picture = Image.new("RGB", (width, height))
    picture.putdata(
        [
            (x * 255 // width, y * 255 // height, (x + y) % 256)
            for y in range(height)
            for x in range(width)
        ]
    )
    return picture


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The bytes of a picture file."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """One PNG chunk."""
    return (
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )  # fmt: skip


def png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    """A hand-made 8-bit RGB PNG of any claimed size, with more chunks after its header."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(pixels or (b"\0" + b"\0" * 3 * width) * min(height, 64)))
    return b"".join([PNG_SIGNATURE, chunk(b"IHDR", header), *chunks, body, chunk(b"IEND", b"")])
