"""Contact sheets: several pictures on one."""

import math
from collections.abc import Sequence

from PIL import Image

from webui.errors import InvalidRequest


def grid_shape(
    count: int, rows: int | None = None, batch_size: int = 0, fill: bool = False
) -> tuple[int, int]:
    """Rows and columns of a sheet of `count` pictures.

    Rows are `rows`, else `batch_size`, else the rounded root of the count; with `fill` the largest
    divisor of the count up to the root, so that no cell stays empty.
    """
    if count < 1:
        raise InvalidRequest("images", "A grid needs at least one picture.")
    if rows or batch_size:
        chosen = rows or batch_size
    elif fill:
        chosen = next(n for n in range(math.isqrt(count), 0, -1) if count % n == 0)
    else:
        chosen = round(math.sqrt(count))
    chosen = max(1, min(chosen, count))
    return chosen, math.ceil(count / chosen)


def image_grid(
    images: Sequence[Image.Image], rows: int | None = None, batch_size: int = 0
) -> Image.Image:
    """One RGB picture of all, row by row on black; every cell has the first picture's size."""
    down, across = grid_shape(len(images), rows, batch_size)
    width, height = images[0].size
    sheet = Image.new("RGB", (across * width, down * height), "black")
    for n, image in enumerate(images):
        sheet.paste(image.convert("RGB"), (n % across * width, n // across * height))
    return sheet
