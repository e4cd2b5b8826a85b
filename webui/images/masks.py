"""Masks, white where it is painted anew: their preparation, and pictures put together by them.

The steps and their roundings are those of the older UI, so that its masks mean the same here.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageFilter, ImageOps

from webui.contract.request import ResizeMode
from webui.images.geometry import resize

OPAQUE = 255
HALF = 128
FILLS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""Radii of the blurred copies that fill a hole, outermost first, and how often each is laid."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, `right` and `bottom` exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """The width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """The height in pixels."""
        return self.bottom - self.top

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """The rectangle as Pillow wants it."""
        return (self.left, self.top, self.right, self.bottom)


def read_mask(image: Image.Image, rounded: bool = True) -> Image.Image:
    """The mask, mode L, that a picture means: its alpha where it has any, else its grey values.

    Alpha is cut at the middle if `rounded`; grey values stay as they are.
    """
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        alpha = image.convert("RGBA").getchannel("A")
        if alpha.getextrema() != (OPAQUE, OPAQUE):
            return (
                alpha.point([OPAQUE if v > HALF else 0 for v in range(256)]) if rounded else alpha
            )
    return image.convert("L")


def invert_mask(mask: Image.Image) -> Image.Image:
    """The mask of everything that `mask` keeps."""
    return ImageOps.invert(mask)


def blur_mask(mask: Image.Image, across: int, down: int) -> Image.Image:
    """`mask` with soft edges: Gaussians of these deviations in pixels, first across, then down."""
    values = np.asarray(mask)
    if across > 0:
        values = cv2.GaussianBlur(values, (_kernel(across), 1), across)
    if down > 0:
        values = cv2.GaussianBlur(values, (1, _kernel(down)), down)
    return Image.fromarray(np.asarray(values, dtype=np.uint8))


def _kernel(deviation: int) -> int:
    return 2 * int(2.5 * deviation + 0.5) + 1


def find_box(mask: Image.Image, padding: int) -> Box | None:
    """The smallest box around all that is not black, `padding` pixels wider; None if all is."""
    found = mask.getbbox()
    if found is None:
        return None
    left, top, right, bottom = found
    return Box(
        max(left - padding, 0),
        max(top - padding, 0),
        min(right + padding, mask.width),
        min(bottom + padding, mask.height),
    )


def widen_box(box: Box, target: tuple[int, int], image: tuple[int, int]) -> Box:
    """`box` grown to the shape of `target` (width, height) as far as the `image` reaches."""
    wanted = target[0] / target[1]
    if box.width / box.height > wanted:
        top, bottom = _grow(box.top, box.bottom, int(box.width / wanted - box.height), image[1])
        return Box(box.left, top, box.right, bottom)
    left, right = _grow(box.left, box.right, int(box.height * wanted - box.width), image[0])
    return Box(left, box.top, right, box.bottom)


def _grow(low: int, high: int, more: int, limit: int) -> tuple[int, int]:
    """The span longer by `more`, moved back inside [0, limit), and cut where it cannot fit."""
    low -= more // 2
    high += more - more // 2
    over = max(high - limit, 0)
    low, high = low - over, high - over
    if low < 0:
        low, high = 0, high - low
    return low, min(high, limit)


def resize_mask(mask: Image.Image, width: int, height: int, mode: ResizeMode) -> Image.Image:
    """`mask` brought to a size by the rule of its picture; the latent rule fills."""
    if mode is ResizeMode.LATENT_UPSCALE:
        mode = ResizeMode.RESIZE_AND_FILL
    return resize(mask, width, height, mode)


def double_mask(mask: Image.Image) -> Image.Image:
    """`mask` twice as white: soft edges are laid over generously when the picture is put back."""
    return mask.point([min(2 * v, OPAQUE) for v in range(256)])


def cut_out(image: Image.Image, mask: Image.Image) -> Image.Image:
    """What `mask` keeps of `image`, RGBA: opaque where it is black, clear where it is white."""
    kept = _premultiplied(image, mask)
    return kept.convert("RGBA")


def fill_hole(image: Image.Image, mask: Image.Image) -> Image.Image:
    """`image` with colours flowing from around into what `mask` paints anew."""
    filled = Image.new("RGBA", image.size)
    kept = _premultiplied(image, mask)
    for radius, times in FILLS:
        layer = kept.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            filled.alpha_composite(layer)
    return filled.convert("RGB")


def lay_over(image: Image.Image, kept: Image.Image, box: Box | None) -> Image.Image:
    """The finished picture: `kept` (RGBA) over the painted `image`, which belongs into `box`.

    Has the size of `kept`. Where `kept` is opaque its pixels come through bit for bit.
    """
    if box is None:
        whole = image.convert("RGBA")
    else:
        whole = Image.new("RGBA", kept.size)
        piece = resize(image, box.width, box.height, ResizeMode.CROP_AND_RESIZE)
        whole.paste(piece, (box.left, box.top))
    whole.alpha_composite(kept)
    return whole.convert("RGB")


def _premultiplied(image: Image.Image, mask: Image.Image) -> Image.Image:
    """What `mask` keeps of `image`, multiplied by alpha, so that blurs are clean."""
    kept = Image.new("RGBa", image.size)
    kept.paste(image.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    return kept
