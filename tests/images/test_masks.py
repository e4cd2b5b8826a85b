"""Masks: how they are read and prepared, and pictures put together by them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from webui.contract.request import ResizeMode
from webui.images import masks
from webui.images.masks import Box


def grey(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array.astype(np.uint8))


def spot(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3))
    return Image.fromarray(values.astype(np.uint8))


def test_alpha_is_the_mask_where_there_is_any_cut_in_the_middle() -> None:
    picture = Image.new("RGBA", (3, 1), (255, 255, 255, 255))
    for x, alpha in enumerate((128, 129, 255)):
        picture.putpixel((x, 0), (0, 0, 0, alpha))
    assert list(masks.read_mask(picture).tobytes()) == [0, 255, 255]
    assert list(masks.read_mask(picture, rounded=False).tobytes()) == [128, 129, 255]


def test_an_opaque_picture_is_read_by_its_grey_values_without_a_cut() -> None:
    picture = Image.new("RGBA", (2, 1), (100, 100, 100, 255))
    assert list(masks.read_mask(picture).tobytes()) == [100, 100]


def test_a_blur_spreads_as_far_as_asked_and_each_way_apart() -> None:
    mask = spot((41, 41), (20, 20, 21, 21))
    across = np.asarray(masks.blur_mask(mask, 2, 0)) > 0
    assert across.any(axis=0).sum() > 3
    assert across.any(axis=1).sum() == 1
    assert masks.blur_mask(mask, 0, 0).tobytes() == mask.tobytes()


def test_a_box_holds_all_that_is_not_black_and_its_padding_inside_the_picture() -> None:
    mask = spot((100, 60), (10, 20, 30, 40))
    assert masks.find_box(mask, 0) == Box(10, 20, 30, 40)
    assert masks.find_box(mask, 16) == Box(0, 4, 46, 56)
    assert masks.find_box(Image.new("L", (8, 8)), 4) is None


def test_a_box_grows_to_the_target_s_shape_and_moves_back_inside() -> None:
    assert masks.widen_box(Box(10, 50, 50, 60), (64, 64), (100, 100)) == Box(10, 35, 50, 75)
    assert masks.widen_box(Box(10, 80, 50, 100), (64, 64), (100, 100)) == Box(10, 60, 50, 100)
    assert masks.widen_box(Box(0, 0, 10, 40), (64, 64), (100, 100)) == Box(0, 0, 40, 40)
    assert masks.widen_box(Box(0, 0, 100, 20), (64, 128), (100, 90)) == Box(0, 0, 100, 90)


@given(st.data())
def test_a_widened_box_holds_the_old_one_inside_the_picture(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(2, 300)), data.draw(st.integers(2, 300))
    left, top = data.draw(st.integers(0, width - 2)), data.draw(st.integers(0, height - 2))
    right = data.draw(st.integers(left + 1, width))
    bottom = data.draw(st.integers(top + 1, height))
    target = (data.draw(st.integers(8, 256)), data.draw(st.integers(8, 256)))
    box = masks.widen_box(Box(left, top, right, bottom), target, (width, height))
    assert 0 <= box.left <= left < right <= box.right <= width
    assert 0 <= box.top <= top < bottom <= box.bottom <= height


def test_what_is_kept_comes_through_bit_for_bit() -> None:
    original, painted = noise((40, 30)), noise((40, 30), seed=1)
    mask = spot((40, 30), (10, 5, 25, 20))
    result = np.asarray(masks.lay_over(painted, masks.cut_out(original, mask), None))
    inside = np.asarray(mask) == 255
    assert np.array_equal(result[~inside], np.asarray(original)[~inside])
    assert np.array_equal(result[inside], np.asarray(painted)[inside])


def test_a_painted_piece_goes_back_to_its_box() -> None:
    original, painted = noise((40, 30)), noise((64, 64), seed=1)
    mask, box = spot((40, 30), (10, 5, 20, 15)), Box(8, 3, 24, 19)
    result = np.asarray(masks.lay_over(painted, masks.cut_out(original, mask), box))
    piece = np.asarray(painted.resize((16, 16), Image.Resampling.LANCZOS))
    assert result.shape == (30, 40, 3)
    assert np.array_equal(result[5:15, 10:20], piece[2:12, 2:12])
    outside = np.asarray(mask) == 0
    assert np.array_equal(result[outside], np.asarray(original)[outside])


def test_a_hole_is_filled_with_colours_from_around_it() -> None:
    picture = Image.new("RGB", (64, 64), (200, 30, 40))
    picture.paste((0, 255, 0), (20, 20, 40, 40))
    filled = np.asarray(masks.fill_hole(picture, spot((64, 64), (20, 20, 40, 40))))
    assert np.abs(filled.astype(int) - (200, 30, 40)).max() <= 6


@pytest.mark.parametrize("mode", list(ResizeMode))
def test_a_mask_gets_its_size_by_every_rule(mode: ResizeMode) -> None:
    assert masks.resize_mask(spot((50, 20), (0, 0, 9, 9)), 64, 32, mode).size == (64, 32)


def test_a_doubled_mask_is_cut_at_white() -> None:
    doubled = masks.double_mask(grey(np.array([[0, 100, 128, 255]])))
    assert list(doubled.tobytes()) == [0, 200, 255, 255]
