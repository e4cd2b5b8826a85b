import base64
import contextlib
import io
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.images.pictures import chunk, encoded, gradient, png
from webui.errors import InvalidRequest, TooLarge
from webui.images.decode import DecodeLimits, decode_base64, decode_image, flatten

FIELD = "source.image"
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")


@pytest.mark.parametrize("form", FORMATS)
def test_the_four_formats_come_in_as_rgb_without_metadata(form: str) -> None:
    picture = decode_image(encoded(gradient(), form), FIELD)
    assert (picture.mode, picture.size, picture.info) == ("RGB", (48, 32), {})
    assert type(picture) is Image.Image


def test_png_pixels_are_exact() -> None:
    assert decode_image(encoded(gradient()), FIELD).tobytes() == gradient().tobytes()


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "PDF", "PCX"])
def test_other_formats_are_refused_by_name_of_the_field(form: str) -> None:
    with pytest.raises(InvalidRequest, match="not a PNG, JPEG, WebP or AVIF") as caught:
        decode_image(encoded(gradient(), form), FIELD)
    assert caught.value.field == FIELD


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"<svg xmlns=''/>", b"<html><script>", b"%!PS-Adobe", b"\0" * 4096, b"RIFF1234WEBP",
     b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\0\0\0\x1cftypavif" + b"\0" * 50],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_image(data, FIELD)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_truncated_picture_is_refused_with_a_plain_sentence(form: str, part: float) -> None:
    data = encoded(gradient(200, 200), form)
    with pytest.raises(InvalidRequest, match="damaged or cut off") as caught:
        decode_image(data[: int(len(data) * part)], FIELD)
    assert caught.value.field == FIELD


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damaged_bytes_give_a_picture_or_a_refusal(
    form: str, hits: list[tuple[float, int]]
) -> None:
    data = bytearray(encoded(gradient(), form))
    for where, value in hits:
        data[int(where * len(data))] = value
    with contextlib.suppress(InvalidRequest):
        assert decode_image(bytes(data), FIELD).mode in ("RGB", "RGBA")


def test_a_png_of_50000_by_50000_is_refused_by_its_header() -> None:
    data = png(50_000, 50_000)
    tracemalloc.start()
    with pytest.raises(TooLarge, match="50000 x 50000"):
        decode_image(data, FIELD)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_pixel_and_byte_limits_are_named() -> None:
    data = encoded(gradient(100, 50))
    with pytest.raises(TooLarge, match="too many pixels"):
        decode_image(data, FIELD, DecodeLimits(max_pixels=4999))
    with pytest.raises(TooLarge, match="MB"):
        decode_image(data, FIELD, DecodeLimits(max_bytes=10))
    assert decode_image(data, FIELD, DecodeLimits(max_pixels=5000)).size == (100, 50)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_meets_the_pixel_limit(form: str) -> None:
    with pytest.raises(TooLarge):
        decode_image(encoded(gradient(), form), FIELD, DecodeLimits(max_pixels=100))


def test_a_large_claim_in_any_webp_header_is_refused() -> None:
    vp8x = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\xff" * 2
    data = b"RIFF" + struct.pack("<I", len(vp8x) + 4) + b"WEBP" + vp8x
    with pytest.raises(TooLarge):
        decode_image(data, FIELD)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_chunk_that_unpacks_without_end_is_refused(kind: bytes) -> None:
    bomb = zlib.compress(bytes(30 * 2**20), 9)
    data = png(8, 8, chunk(kind, b"name\0\0" + bomb))
    with pytest.raises(InvalidRequest):
        decode_image(data, FIELD)


def test_countless_chunks_and_scans_are_refused() -> None:
    texts = chunk(b"tEXt", b"a\0b") * 2_000
    with pytest.raises(TooLarge, match="chunks"):
        decode_image(png(8, 8, texts), FIELD)
    with pytest.raises(TooLarge, match="chunks"):
        decode_image(png(8, 8, chunk(b"IDAT", b"") * 200_000), FIELD)
    jpeg = encoded(gradient(), "JPEG")
    with pytest.raises(TooLarge, match="scans"):
        decode_image(jpeg + b"\xff\xda" * 500, FIELD)


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for form in ("PNG", "WEBP"):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
        assert decode_image(data, FIELD).getpixel((4, 4)) == (255, 0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", FORMATS)
def test_exif_orientation_is_applied(orientation: int, form: str) -> None:
    upright = Image.new("RGB", (32, 16), "black")
    upright.paste("red", (0, 0, 16, 8))
    stored = upright
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    if orientation in undo:
        stored = upright.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode_image(encoded(stored, form, exif=exif.tobytes()), FIELD)
    assert picture.size == (32, 16)
    red, _, _ = picture.getpixel((4, 3))  # pyright: ignore
    assert red > 200
    assert picture.getpixel((28, 12))[0] < 60  # pyright: ignore


def test_modes_become_rgb_or_rgba_by_rule() -> None:
    base = gradient()
    opaque = base.copy()
    opaque.putalpha(255)
    clear = base.copy()
    clear.putalpha(100)
    palette = base.convert("P")
    cases = [
        (encoded(base.convert("L")), "RGB"),
        (encoded(base.convert("1")), "RGB"),
        (encoded(clear.convert("LA")), "RGBA"),
        (encoded(palette), "RGB"),
        (encoded(palette, transparency=int(palette.getpixel((0, 0)))), "RGBA"),  # pyright: ignore
        (encoded(base, transparency=base.getpixel((5, 5))), "RGBA"),
        (encoded(base.convert("CMYK"), "JPEG"), "RGB"),
        (encoded(opaque), "RGB"),
        (encoded(clear), "RGBA"),
    ]
    for data, mode in cases:
        picture = decode_image(data, FIELD)
        assert (picture.mode, picture.size, picture.info) == (mode, base.size, {})


def test_16_bit_grey_keeps_its_upper_bits() -> None:
    wide = Image.new("I;16", (2, 1))
    wide.putdata([0x12FF, 0xFFFF])
    picture = decode_image(encoded(wide), FIELD)
    assert [picture.getpixel((x, 0)) for x in (0, 1)] == [(0x12,) * 3, (255,) * 3]


def test_flattening_lays_a_picture_over_the_background() -> None:
    picture = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    assert flatten(picture).getpixel((0, 0)) == (255, 255, 255)
    assert flatten(picture, "#102030").getpixel((0, 0)) == (16, 32, 48)
    assert flatten(picture).mode == "RGB"


def test_base64_comes_in_bare_and_as_data_uri() -> None:
    data = encoded(gradient())
    text = base64.b64encode(data).decode()
    assert decode_base64(text, FIELD) == data
    assert decode_base64(f"data:image/png;base64,{text}", FIELD) == data
    assert decode_base64(f"\n{text[:40]}\r\n{text[40:]}\n", FIELD) == data


@pytest.mark.parametrize(
    "text",
    ["", "   ", "!!!!", "abc", "YWJj=YWJj", "data:text/html;base64,YWJj", "data:,x", "é" * 8],
)
def test_wrong_base64_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_base64(text, FIELD)
    assert caught.value.field == FIELD


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1/a.png", "HTTPS://x/y", "file:///etc/passwd", "ftp://x", " gopher://x"],
)
def test_addresses_are_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidRequest, match="not fetched"):
        decode_base64(text, FIELD)


def test_base64_above_the_limit_is_refused_undecoded() -> None:
    with pytest.raises(TooLarge):
        decode_base64("A" * 20_000, FIELD, DecodeLimits(max_bytes=100))


def test_reading_leaves_no_file_open_and_no_state_behind() -> None:
    data = encoded(gradient())
    stream = io.BytesIO(data)
    first = decode_image(stream.getvalue(), FIELD)
    first.paste("black", (0, 0, 48, 32))
    assert decode_image(data, FIELD).tobytes() == gradient().tobytes()
