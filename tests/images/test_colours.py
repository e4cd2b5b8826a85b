"""The colours of one picture given to another."""

import cv2
import numpy as np
from PIL import Image
from skimage.exposure import match_histograms

from webui.images.colours import LIGHT, match_colours


def picture(
    seed: int, size: tuple[int, int] = (48, 32), low: int = 0, high: int = 255
) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(low, high, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def test_the_histograms_in_lab_become_those_of_the_target() -> None:
    # at even luminosity the light that is kept is the target's own, so the blend changes little
    image, target = picture(1, low=80, high=170), picture(2, size=(64, 80), low=80, high=170)
    ours = np.asarray(match_colours(image, target)).astype(float)
    lab = [cv2.cvtColor(np.asarray(p), cv2.COLOR_RGB2LAB) for p in (image, target)]
    matched = cv2.cvtColor(match_histograms(lab[0], lab[1], channel_axis=2), cv2.COLOR_LAB2RGB)
    chroma = ours - (ours @ LIGHT)[..., None]
    wanted = matched.astype(float) - (matched.astype(float) @ LIGHT)[..., None]
    assert np.abs(chroma - wanted).mean() < 2


def test_the_light_stays_that_of_the_picture() -> None:
    image, target = picture(3), picture(4)
    before, after = (np.asarray(p) @ LIGHT for p in (image, match_colours(image, target)))
    assert np.abs(before - after).max() < 2


def test_a_grey_target_takes_the_colour_out() -> None:
    grey = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 4, 3)))
    result = np.asarray(match_colours(picture(5), grey)).astype(int)
    assert (result.max(-1) - result.min(-1)).max() <= 4


def test_a_picture_with_its_own_colours_stays_as_it_is() -> None:
    image = picture(6)
    difference = np.asarray(match_colours(image, image)).astype(int) - np.asarray(image)
    assert np.abs(difference).mean() < 1.5


def test_black_and_white_stay_in_range() -> None:
    ends = np.zeros((8, 8, 3), np.uint8)
    ends[4:] = 255
    result = match_colours(Image.fromarray(ends), picture(7))
    assert np.abs(np.asarray(result).astype(int) - ends).max() <= 1
