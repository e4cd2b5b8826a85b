import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from tests.images.pictures import gradient
from webui.contract.request import Canvas, Hires, ResizeMode
from webui.images.geometry import HiresSize, hires_size, resize, scaled_size, tiles

sides = st.integers(1, 300)
LANCZOS = Image.Resampling.LANCZOS


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, sides, st.sampled_from(list(ResizeMode)))
def test_every_mode_gives_the_target_size_but_the_latent_one(
    width: int, height: int, wide: int, high: int, mode: ResizeMode
) -> None:
    picture = Image.new("RGB", (width, height), (9, 8, 7))
    result = resize(picture, wide, high, mode)
    if mode is ResizeMode.LATENT_UPSCALE:
        assert result is picture
        return
    assert result.size == (wide, high)
    # No black border anywhere, in any mode.
    assert result.getextrema() == ((9, 9), (8, 8), (7, 7))


def test_just_resize_is_plain_lanczos() -> None:
    expected = gradient().resize((64, 64), LANCZOS)
    assert resize(gradient(), 64, 64, ResizeMode.JUST_RESIZE).tobytes() == expected.tobytes()


@settings(max_examples=40, deadline=None)
@given(sides, sides, st.integers(8, 200), st.integers(8, 200))
def test_crop_and_resize_is_the_centre_of_the_covering_picture(
    width: int, height: int, wide: int, high: int
) -> None:
    picture = gradient(width, height)
    inner = scaled_size((width, height), (wide, high), cover=True)
    if inner[0] * inner[1] > 4_000_000:
        return
    whole = picture.resize(inner, LANCZOS)
    expected = Image.new("RGB", (wide, high))
    expected.paste(whole, (wide // 2 - inner[0] // 2, high // 2 - inner[1] // 2))
    result = resize(picture, wide, high, ResizeMode.CROP_AND_RESIZE)
    worst = ImageChops.difference(result, expected).getextrema()
    assert max(most for _, most in worst) <= 2


def test_crop_and_resize_of_a_thread_makes_no_giant() -> None:
    thread = Image.new("RGB", (30_000, 1), "red")
    result = resize(thread, 2048, 2048, ResizeMode.CROP_AND_RESIZE)
    assert result.getpixel((1000, 1000)) == (255, 0, 0)


@pytest.mark.parametrize(("wide", "high"), [(96, 32), (48, 96), (97, 33), (49, 95)])
def test_resize_and_fill_stretches_the_outermost_lines(wide: int, high: int) -> None:
    picture = gradient(48, 32)
    result = resize(picture, wide, high, ResizeMode.RESIZE_AND_FILL)
    inner = picture.resize(scaled_size((48, 32), (wide, high), cover=False), LANCZOS)
    left, top = wide // 2 - inner.width // 2, high // 2 - inner.height // 2
    box = (left, top, left + inner.width, top + inner.height)
    assert result.crop(box).tobytes() == inner.tobytes()
    if left > 0:
        assert result.getpixel((0, 5)) == inner.getpixel((0, 5))
        assert result.getpixel((wide - 1, 5)) == inner.getpixel((inner.width - 1, 5))
    else:
        assert result.getpixel((5, 0)) == inner.getpixel((5, 0))
        assert result.getpixel((5, high - 1)) == inner.getpixel((5, inner.height - 1))


@given(sides, sides, sides, sides, st.booleans())
def test_a_scaled_size_covers_or_fits(
    width: int, height: int, wide: int, high: int, cover: bool
) -> None:
    x, y = scaled_size((width, height), (wide, high), cover)
    assert wide in (x, 0) or high in (y, 0)
    if cover:
        assert x >= wide
        assert y >= high
    else:
        assert x <= wide
        assert y <= high


@pytest.mark.parametrize(
    ("hires", "expected"),
    [
        (Hires(scale=2.0), HiresSize(1024, 768)),
        (Hires(scale=1.55), HiresSize(792, 592)),
        (Hires(width=1024), HiresSize(1024, 768)),
        (Hires(height=576), HiresSize(768, 576)),
        (Hires(width=1000), HiresSize(1000, 744)),
        (Hires(width=768, height=768), HiresSize(1024, 768, crop_x=32)),
        (Hires(width=1024, height=512), HiresSize(1024, 768, crop_y=32)),
        (Hires(width=1024, height=768), HiresSize(1024, 768)),
    ],
)
def test_hires_sizes_follow_the_older_rules(hires: Hires, expected: HiresSize) -> None:
    assert hires_size(Canvas(width=512, height=384), hires) == expected


eights = st.integers(8, 256).map(lambda n: n * 8)


@given(eights, eights, eights, eights)
def test_a_hires_pass_to_a_size_ends_at_that_size(
    width: int, height: int, wide: int, high: int
) -> None:
    size = hires_size(Canvas(width=width, height=height), Hires(width=wide, height=high))
    assert (size.width, size.height) == (wide, high)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(2, 64), st.data())
def test_tiles_cover_everything_and_overlap_enough(
    width: int, height: int, tile: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, tile - 1))
    found = tiles(width, height, tile, overlap)
    covered = {
        (x, y) for t in found for x, y in itertools.product(
            range(t.left, t.right), range(t.top, t.bottom))
    } if width * height < 4000 else None  # fmt: skip
    if covered is not None:
        assert covered == set(itertools.product(range(width), range(height)))
    for t in found:
        assert 0 < t.right - t.left <= tile
        assert 0 < t.bottom - t.top <= tile
        assert t.right <= width
        assert t.bottom <= height
    lefts = sorted({t.left for t in found})
    assert all(b - a <= tile - overlap for a, b in itertools.pairwise(lefts))


def test_an_overlap_as_large_as_the_tile_is_refused() -> None:
    with pytest.raises(ValueError, match="smaller"):
        tiles(10, 10, 4, 4)
