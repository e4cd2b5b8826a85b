"""Sizes and shapes: the four resize modes, the size of a hires pass, tiles."""

from dataclasses import dataclass

from PIL import Image

from webui.contract.request import Canvas, Hires, ResizeMode

LATENT_CELL = 8
"""Pixels along a side of one latent value."""


@dataclass(frozen=True)
class HiresSize:
    """How a hires pass grows: scale to `scaled`, then cut `crop` cells in all from each axis.

    `scaled_width` and `scaled_height` are pixels, multiples of 8; `crop_x` and `crop_y` are latent
    cells (8 pixels), taken half from each edge, the odd one from the right or the bottom.
    """

    scaled_width: int
    scaled_height: int
    crop_x: int = 0
    crop_y: int = 0

    @property
    def width(self) -> int:
        """The width of the finished picture in pixels."""
        return self.scaled_width - self.crop_x * LATENT_CELL

    @property
    def height(self) -> int:
        """The height of the finished picture in pixels."""
        return self.scaled_height - self.crop_y * LATENT_CELL


@dataclass(frozen=True)
class Tile:
    """A rectangle of a larger grid, `right` and `bottom` exclusive."""

    left: int
    top: int
    right: int
    bottom: int


def resize(image: Image.Image, width: int, height: int, mode: ResizeMode) -> Image.Image:
    """Bring `image` to `width` x `height` pixels by one of the older UI's resize modes (Lanczos).

    LATENT_UPSCALE gives the picture back untouched: there the latent is scaled instead.
    """
    if mode is ResizeMode.LATENT_UPSCALE or image.size == (width, height):
        return image
    if mode is ResizeMode.JUST_RESIZE:
        return image.resize((width, height), Image.Resampling.LANCZOS)
    if mode is ResizeMode.CROP_AND_RESIZE:
        return _cover(image, width, height)
    inner = image.resize(
        scaled_size(image.size, (width, height), cover=False), Image.Resampling.LANCZOS
    )
    left, top = width // 2 - inner.width // 2, height // 2 - inner.height // 2
    result = Image.new(image.mode, (width, height))
    result.paste(inner, (left, top))
    _stretch_edges(result, inner, left, top)
    return result


def scaled_size(source: tuple[int, int], target: tuple[int, int], cover: bool) -> tuple[int, int]:
    """The size of `source` scaled to cover `target`, or to fit inside it, keeping its shape.

    One side equals the target's; the other is rounded down, to at least one pixel.
    """
    (width, height), (wide, high) = source, target
    # Compare wide/high with width/height in whole numbers.
    flatter = wide * height > width * high
    if flatter == cover:
        return wide, max(1, height * wide // width)
    return max(1, width * high // height), high


def hires_size(canvas: Canvas, hires: Hires) -> HiresSize:
    """The size that the second pass works at, from the first size and the hires settings."""
    width, height = canvas.width, canvas.height
    if not hires.width and not hires.height:
        return HiresSize(_whole(int(width * hires.scale)), _whole(int(height * hires.scale)))
    if not hires.height:
        return HiresSize(hires.width, _whole(hires.width * height // width))
    if not hires.width:
        return HiresSize(_whole(hires.height * width // height), hires.height)
    x, y = scaled_size((width, height), (hires.width, hires.height), cover=True)
    return HiresSize(
        _whole(x),
        _whole(y),
        (x - hires.width) // LATENT_CELL,
        (y - hires.height) // LATENT_CELL,
    )


def tiles(width: int, height: int, tile: int, overlap: int) -> tuple[Tile, ...]:
    """Rectangles of at most `tile` a side that cover the grid, row by row.

    Neighbours overlap by at least `overlap` and are spread evenly. Any unit, pixels or latent
    cells. Raises ValueError where the overlap leaves a tile no ground of its own.
    """
    if not 0 <= overlap < tile:
        raise ValueError("the overlap must be smaller than the tile")
    return tuple(
        Tile(left, top, min(left + tile, width), min(top + tile, height))
        for top in _starts(height, tile, overlap)
        for left in _starts(width, tile, overlap)
    )


def _cover(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scale to cover and keep the centre, never making the pixels that are cut off.

    A picture of 30,000 x 1 pixels would otherwise become one of gigabytes on the way.
    """
    wide, high = scaled_size(image.size, (width, height), cover=True)
    left, top = wide // 2 - width // 2, high // 2 - height // 2
    x, y = image.width / wide, image.height / high
    box = (left * x, top * y, min((left + width) * x, image.width),
           min((top + height) * y, image.height))  # fmt: skip
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(n * (length - tile) / (count - 1)) for n in range(count)]


def _whole(side: int) -> int:
    return max(LATENT_CELL, side // LATENT_CELL * LATENT_CELL)


def _stretch_edges(result: Image.Image, inner: Image.Image, left: int, top: int) -> None:
    """Fill the borders around `inner` with its outermost rows and columns."""
    right, bottom = left + inner.width, top + inner.height
    bands = (
        (inner.crop((0, 0, inner.width, 1)), (left, 0, right, top)),
        (inner.crop((0, inner.height - 1, inner.width, inner.height)),
         (left, bottom, right, result.height)),
        (inner.crop((0, 0, 1, inner.height)), (0, top, left, bottom)),
        (inner.crop((inner.width - 1, 0, inner.width, inner.height)),
         (right, top, result.width, bottom)),
    )  # fmt: skip
    for edge, (x, y, end_x, end_y) in bands:
        if end_x > x and end_y > y:
            band = edge.resize((end_x - x, end_y - y), Image.Resampling.NEAREST)
            result.paste(band, (x, y))
