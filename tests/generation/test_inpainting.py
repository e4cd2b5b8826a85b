"""Inpainting through the whole engine: what is kept stays, what is masked is painted."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.generation.conftest import Studio
from webui.contract.request import Blob
from webui.errors import InvalidRequest

MASK = Blob(sha256="d" * 64)


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def masked(box: tuple[int, int, int, int] | None, size: tuple[int, int] = (96, 64)) -> bytes:
    mask = Image.new("L", size)
    if box is not None:
        mask.paste(255, box)
    return encoded(mask)


@pytest.fixture
def values(source: Blob) -> dict[str, Any]:
    """A request that paints all of a box at full strength."""
    return {
        "source.image": source,
        "source.inpaint.mask": MASK,
        "source.inpaint.blur": 0,
        "source.denoising_strength": 1.0,
        "canvas.width": 96,
        "canvas.height": 64,
    }


BOX = (30, 16, 70, 48)


def split(picture: np.ndarray, box: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The pixels inside and outside a box."""
    inside = np.zeros(picture.shape[:2], bool)
    inside[box[1] : box[3], box[0] : box[2]] = True
    return picture[inside], picture[~inside]


@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpmpp_2m", "lcm"])
@pytest.mark.parametrize("area", ["whole_picture", "only_masked"])
def test_unmasked_pixels_stay_bit_for_bit(
    studio: Studio, source: Blob, source_png: bytes, values: dict[str, Any], sampler: str, area: str
) -> None:
    more = {"sampling.sampler": sampler, "source.inpaint.area": area}
    made = studio.picture({**values, **more}, {source: source_png, MASK: masked(BOX)})
    original = np.asarray(Image.open(io.BytesIO(source_png)))
    assert made.shape == original.shape
    inside, outside = split(made, BOX)
    before_inside, before_outside = split(original, BOX)
    assert np.array_equal(outside, before_outside)
    assert np.abs(inside.astype(int) - before_inside).mean() > 5


def test_the_other_side_is_painted_on_request(
    studio: Studio, source: Blob, source_png: bytes, values: dict[str, Any]
) -> None:
    more = {"source.inpaint.mode": "inpaint_not_masked"}
    made = studio.picture({**values, **more}, {source: source_png, MASK: masked(BOX)})
    original = np.asarray(Image.open(io.BytesIO(source_png)))
    inside, outside = split(made, BOX)
    assert np.array_equal(inside, split(original, BOX)[0])
    assert not np.array_equal(outside, split(original, BOX)[1])


def test_only_the_masked_area_has_the_original_s_size_whatever_the_canvas(
    studio: Studio, source: Blob, source_png: bytes, values: dict[str, Any]
) -> None:
    more = {"source.inpaint.area": "only_masked", "canvas.width": 64}
    made = studio.picture({**values, **more}, {source: source_png, MASK: masked(BOX)})
    assert made.shape == (64, 96, 3)


def test_each_masked_content_begins_another_picture(
    studio: Studio, source: Blob, source_png: bytes, values: dict[str, Any]
) -> None:
    inputs = {source: source_png, MASK: masked(BOX)}
    contents = ("fill", "original", "latent_noise", "latent_nothing")
    more = {"source.denoising_strength": 0.6}
    made = [
        studio.picture({**values, **more, "source.inpaint.content": content}, inputs).tobytes()
        for content in contents
    ]
    assert len(set(made)) == len(contents)


def test_without_the_overlay_the_kept_part_has_gone_through_the_vae(
    studio: Studio, source: Blob, source_png: bytes, values: dict[str, Any]
) -> None:
    more = {"source.inpaint.overlay": False}
    made = studio.picture({**values, **more}, {source: source_png, MASK: masked(BOX)})
    original = np.asarray(Image.open(io.BytesIO(source_png)))
    assert not np.array_equal(split(made, BOX)[1], split(original, BOX)[1])


def test_strength_zero_gives_the_original_back(
    studio: Studio, source: Blob, source_png: bytes, values: dict[str, Any]
) -> None:
    more = {"source.denoising_strength": 0.0, "source.inpaint.area": "only_masked"}
    made = studio.picture({**values, **more}, {source: source_png, MASK: masked(BOX)})
    original = np.asarray(Image.open(io.BytesIO(source_png)))
    assert np.array_equal(split(made, BOX)[1], split(original, BOX)[1])


def test_an_empty_mask_is_refused_where_its_area_is_asked_for(
    studio: Studio, source: Blob, source_png: bytes, values: dict[str, Any]
) -> None:
    more = {"source.inpaint.area": "only_masked"}
    with pytest.raises(InvalidRequest, match="The mask is empty") as caught:
        studio.picture({**values, **more}, {source: source_png, MASK: masked(None)})
    assert caught.value.field == "source.inpaint.mask"
    whole = studio.picture(values, {source: source_png, MASK: masked(None)})
    assert np.array_equal(whole, np.asarray(Image.open(io.BytesIO(source_png))))


def test_a_mask_of_another_size_is_stretched_over_the_picture(
    studio: Studio, source: Blob, source_png: bytes, values: dict[str, Any]
) -> None:
    half = masked((15, 8, 35, 24), (48, 32))
    more = {"source.inpaint.area": "only_masked"}
    made = studio.picture({**values, **more}, {source: source_png, MASK: half})
    original = np.asarray(Image.open(io.BytesIO(source_png)))
    corner = (slice(0, 8), slice(0, 16))
    assert np.array_equal(made[corner], original[corner])
    assert not np.array_equal(made, original)


def test_a_missing_mask_is_said(
    studio: Studio, source: Blob, source_png: bytes, values: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest, match="The mask is not there") as caught:
        studio.picture(values, {source: source_png})
    assert caught.value.field == "source.inpaint.mask"
