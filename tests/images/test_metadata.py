import io
import json
import struct
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from tests.images.pictures import chunk, encoded, gradient, png
from webui.contract.infotext import clean, read
from webui.contract.vocabulary import builtin
from webui.images.storage import (
    encode_image,
    format_for,
    media_type,
    media_type_of,
    read_infotext,
    read_metadata,
)

FORMATS = ("png", "jpg", "webp", "avif")
INFOTEXT = 'ein Kätzchen, 猫 🐈\nNegative prompt: "x"\nSteps: 20, Sampler: Euler, Seed: 1'


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", [INFOTEXT, "plain\nSteps: 1", ""], ids=["wide", "latin", "none"])
def test_infotext_comes_back_from_every_format(form: str, text: str) -> None:
    data = encode_image(gradient(), form, text)
    assert media_type_of(data) == media_type(form)
    assert read_infotext(data) == text
    assert set(read_metadata(data)) <= {"parameters", "exif comment"}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FORMATS), st.text(max_size=200))
@example("jpg", "\u0100" * 100)  # in the other byte order these are control characters
def test_any_prompt_comes_back_with_its_parameters(form: str, text: str) -> None:
    wanted = (clean(text).strip() + "\nSteps: 20, Sampler: Euler, Seed: 1").strip()
    assert read_infotext(encode_image(Image.new("RGB", (16, 16)), form, wanted)) == wanted


def test_png_uses_the_text_chunk_that_pillow_reads() -> None:
    with Image.open(io.BytesIO(encode_image(gradient(), "png", INFOTEXT))) as picture:
        assert picture.info["parameters"] == INFOTEXT


@pytest.mark.parametrize("form", ["jpg", "webp", "avif"])
def test_the_others_use_the_user_comment_with_big_endian_unicode(form: str) -> None:
    with Image.open(io.BytesIO(encode_image(gradient(), form, INFOTEXT))) as picture:
        comment = picture.getexif().get_ifd(ExifTags.IFD.Exif)[0x9286]
    assert comment == b"UNICODE\0" + INFOTEXT.encode("utf-16-be")


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + INFOTEXT.encode("utf-16-le"),
        b"UNICODE\0" + INFOTEXT.encode("utf-16"),
        b"ASCII\0\0\0" + INFOTEXT.encode(),
        b"\0" * 8 + INFOTEXT.encode(),
        INFOTEXT.encode(),
    ],
    ids=["little-endian", "byte order mark", "ascii", "undefined", "bare"],
)
def test_comments_of_other_writers_are_read(comment: bytes) -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[0x9286] = comment
    assert read_infotext(encoded(gradient(), "JPEG", exif=exif.tobytes())) == INFOTEXT


def test_an_exif_comment_wins_over_the_text_chunk() -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[0x9286] = b"UNICODE\0" + "from exif".encode("utf-16-be")
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "from chunk")
    info.add_text("workflow", "{}")
    info.add_itxt("Other", "ü", zip=True)
    data = encoded(gradient(), pnginfo=info, exif=exif.tobytes())
    assert read_metadata(data) == {
        "parameters": "from exif", "exif comment": "from exif", "workflow": "{}", "Other": "ü"
    }  # fmt: skip


def test_noise_keys_are_left_out() -> None:
    info = PngImagePlugin.PngInfo()
    for key in ("dpi", "XML:com.adobe.xmp", "Software"):
        info.add_text(key, "x")
    assert read_metadata(encoded(gradient(), pnginfo=info)) == {"Software": "x"}


def test_a_novelai_picture_gives_infotext() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "NovelAI")
    info.add_text("Description", "a cat")
    said = {"uc": "bad", "steps": 28, "sampler": "k_dpmpp_2m", "scale": 11.0, "seed": 77}
    info.add_text("Comment", json.dumps(said))
    text = read_infotext(encoded(gradient(64, 128), pnginfo=info))
    assert text == (
        "a cat\nNegative prompt: bad\nSteps: 28, Sampler: DPM++ 2M, CFG scale: 11.0, Seed: 77, "
        "Size: 64x128, Clip skip: 2, ENSD: 31337"
    )
    request = read(text, builtin()).request
    assert (request.prompt.positive, request.noise.seed, request.model.clip_skip) == (
        "a cat",
        77,
        2,
    )


@pytest.mark.parametrize(
    "texts",
    [
        {"invokeai_metadata": json.dumps({"positive_prompt": "a hut", "scheduler": "euler",
                                          "steps": 9, "seed": 3, "cfg_scale": 5})},
        {"Dream": '"a hut" -s 9 -S 3 -C 5 -A k_euler'},
        {"prompt": "a hut", "num_inference_steps": "9", "guidance_scale": "5", "seed": "3",
         "sampler_name": "euler"},
    ],
    ids=["InvokeAI", "InvokeAI 1", "Easy Diffusion"],
)  # fmt: skip
def test_a_record_of_another_program_stands_in_for_infotext(texts: dict[str, str]) -> None:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    out = io.BytesIO()
    gradient().save(out, "PNG", pnginfo=info)
    request = read(read_infotext(out.getvalue()), builtin()).request
    assert (request.prompt.positive, request.sampling.sampler) == ("a hut", "euler")
    assert (request.sampling.steps, request.noise.seed, request.sampling.cfg_scale) == (9, 3, 5.0)


@pytest.mark.parametrize("comment", ["", "[]", "{", "[" * 100_000])
def test_a_broken_novelai_comment_is_ignored(comment: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "NovelAI")
    info.add_text("Comment", comment)
    assert read_infotext(encoded(gradient(), pnginfo=info)) == ""


def test_text_is_read_from_a_picture_too_large_to_decode() -> None:
    assert read_infotext(png(50_000, 50_000, chunk(b"tEXt", b"parameters\0hello"))) == "hello"


def test_a_text_that_unpacks_without_end_is_left_out() -> None:
    bomb = zlib.compress(bytes(30 * 2**20), 9)
    data = png(
        8, 8, chunk(b"zTXt", b"parameters\0\0" + bomb), chunk(b"iTXt", b"b\0\1\0\0\0" + bomb),
        chunk(b"tEXt", b"c\0kept"),
    )  # fmt: skip
    assert read_metadata(data) == {"c": "kept"}


def test_control_characters_from_files_are_taken_out() -> None:
    data = png(8, 8, chunk(b"tEXt", b"parameters\0a\x1b[31mb\r\nc\x07"))
    assert read_infotext(data) == "a [31mb\nc "


def test_countless_texts_are_bounded() -> None:
    texts = b"".join(chunk(b"tEXt", b"%d\0x" % n) for n in range(5_000))
    assert len(read_metadata(png(8, 8, texts))) == 100


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_reading_never_fails(form: str, hits: list[tuple[float, int]], part: float) -> None:
    data = bytearray(encode_image(Image.new("RGB", (16, 16)), form, INFOTEXT))
    for where, value in hits:
        data[int(where * len(data))] = value
    assert isinstance(read_metadata(bytes(data[: int(part * len(data))])), dict)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\xff\xd8\xff\xe1\0", b"RIFF0000WEBP", b"\0" * 99]
)
def test_no_picture_holds_no_text(data: bytes) -> None:
    assert read_metadata(data) == {}


def test_transparency_is_kept_where_the_format_can_and_laid_on_white_in_jpeg() -> None:
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    for form in ("png", "webp", "avif"):
        with Image.open(io.BytesIO(encode_image(clear, form))) as picture:
            assert picture.mode == "RGBA"
    with Image.open(io.BytesIO(encode_image(clear, "jpg"))) as picture:
        assert picture.getpixel((3, 3)) == (255, 255, 255)


def test_what_a_format_cannot_hold_becomes_png() -> None:
    wide = Image.new("L", (16_400, 1))
    assert format_for(wide, "webp") == "png"
    assert format_for(wide, "jpg") == "jpg"
    assert format_for(Image.new("L", (65_536, 1)), "jpeg") == "png"
    long = "x" * 40_000
    assert format_for(gradient(), "jpg", long) == "png"
    assert format_for(gradient(), "webp", long) == "webp"
    for form in ("jpg", "webp"):
        assert read_infotext(encode_image(gradient(), form, long)) == long


def test_the_jpeg_limit_on_texts_is_exact() -> None:
    for length in range(32_700, 32_740):
        data = encode_image(Image.new("L", (8, 8)), "jpg", "x" * length)
        assert read_infotext(data) == "x" * length


def test_a_lower_quality_makes_smaller_files() -> None:
    for form in ("jpg", "webp"):
        low, high = (len(encode_image(gradient(256, 256), form, "", q)) for q in (20, 95))
        assert low < high


def test_jpeg_markers_with_absurd_lengths_end_the_walk() -> None:
    data = b"\xff\xd8" + b"\xff\xe1" + struct.pack(">H", 0) + b"Exif\0\0" + b"\0" * 20
    assert read_metadata(data) == {}
