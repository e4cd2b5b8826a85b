"""Tests of meaning: the shipped starter model on a real photo (scikit-image's astronaut)."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from skimage import data

from webui.contract.request import Blob

SHA = "a" * 64
SOURCE = Blob(sha256=SHA)


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.fromarray(data.astronaut()).resize((256, 256), Image.Resampling.LANCZOS)


@pytest.fixture(scope="module")
def photo_png(photo: Image.Image) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def paint(starter_engine, photo_png: bytes) -> Callable[..., np.ndarray]:
    """A function from strength, prompt and seed to the painted picture."""

    def run(strength: float, prompt: str, seed: int, sampler: str = "euler_a") -> np.ndarray:
        return starter_engine.paint(
            {
                "prompt": {"positive": prompt},
                "model": {"checkpoint": "starter"},
                "sampling": {"sampler": sampler, "steps": 20},
                "canvas": {"width": 256, "height": 256},
                "noise": {"seed": seed},
                "source": {"image": SOURCE, "denoising_strength": strength},
            },
            {SOURCE: photo_png},
        )

    return run


def test_more_denoising_leaves_less_of_the_photo(paint, photo: Image.Image) -> None:
    source = np.asarray(photo, dtype=np.float64)
    distances = [
        np.sqrt(np.mean((paint(strength, "a house by a lake, day", 7) - source) ** 2))
        for strength in (0.2, 0.4, 0.6, 0.8)
    ]
    assert distances == sorted(distances)
    assert distances[-1] > 1.2 * distances[0]


def test_strength_zero_gives_the_source_through_its_resize_rule(paint, photo: Image.Image) -> None:
    assert np.array_equal(paint(0.0, "night", 7), np.asarray(photo))


def test_night_is_darker_than_day(paint) -> None:
    seeds = (11, 22, 33, 44)
    day = np.mean([paint(0.85, "a house by a lake, day", s).mean() for s in seeds])
    night = np.mean([paint(0.85, "a house by a lake, night", s).mean() for s in seeds])
    assert night <= day - 10
