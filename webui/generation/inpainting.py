"""A source with a mask: what of it goes through the model, and how the result is put back."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from webui.contract.request import (
    Canvas,
    Inpaint,
    InpaintArea,
    MaskedContent,
    MaskMode,
    ResizeMode,
    Source,
)
from webui.errors import InvalidRequest
from webui.images import masks
from webui.images.geometry import resize


@dataclass(frozen=True, eq=False)
class Region:
    """A masked source made ready for the passes.

    Attributes:
        image: what is painted over, at the size of the canvas.
        mask: mode L at the size of `image`, white where it is painted.
        kept: RGBA, what is laid over the result, at the size of the finished picture.
        box: where the result belongs in the finished picture; None where it is all of it.
    """

    image: Image.Image
    mask: Image.Image
    kept: Image.Image
    box: masks.Box | None

    def finish(self, image: Image.Image) -> Image.Image:
        """The finished picture: the painted one with all that was kept over it."""
        return masks.lay_over(image, self.kept, self.box)


def prepare_region(
    source: Source, inpaint: Inpaint, canvas: Canvas, image: Image.Image, mask: Image.Image
) -> Region:
    """Bring a picture (RGB) and the picture of its mask to what the passes need.

    A mask of another size than the picture is stretched over it. Raises InvalidRequest where only
    the masked area is to be painted and there is none.
    """
    mask = masks.read_mask(mask, inpaint.rounded)
    if inpaint.mode is MaskMode.INPAINT_NOT_MASKED:
        mask = masks.invert_mask(mask)
    down = inpaint.blur if inpaint.blur_down is None else inpaint.blur_down
    mask = masks.blur_mask(mask, inpaint.blur, down)
    if inpaint.area is InpaintArea.ONLY_MASKED:
        return _masked_area(inpaint, canvas, image, mask)
    size = (canvas.width, canvas.height)
    image = resize(image, *size, source.resize_mode)
    mask = masks.resize_mask(mask, *size, source.resize_mode)
    over = mask if mask.size == image.size else mask.resize(image.size)
    kept = masks.cut_out(image, masks.double_mask(over))
    return Region(_filled(image, over, inpaint), mask, kept, None)


def cells_of(mask: Image.Image, width: int, height: int, rounded: bool) -> Tensor:
    """`mask` on the cells of a latent, (1, 1, height, width) in [0, 1], 0 or 1 if `rounded`."""
    small = mask.convert("RGB").resize((width, height)).getchannel(0)
    values = np.asarray(small, dtype=np.float32) / 255
    cells: Tensor = torch.from_numpy(  # pyright: ignore[reportUnknownMemberType]
        np.around(values) if rounded else values
    )
    return cells[None, None]


def _masked_area(inpaint: Inpaint, canvas: Canvas, image: Image.Image, mask: Image.Image) -> Region:
    if mask.size != image.size:
        mask = mask.resize(image.size)
    box = masks.find_box(mask, inpaint.padding)
    if box is None:
        raise InvalidRequest(
            "source.inpaint.mask",
            "The mask is empty, so there is no masked area to paint. Paint over what is to change.",
        )
    size = (canvas.width, canvas.height)
    box = masks.widen_box(box, size, image.size)
    cut_mask = resize(mask.crop(box.corners), *size, ResizeMode.RESIZE_AND_FILL)
    cut = resize(image.crop(box.corners), *size, ResizeMode.RESIZE_AND_FILL)
    return Region(_filled(cut, cut_mask, inpaint), cut_mask, masks.cut_out(image, mask), box)


def _filled(image: Image.Image, mask: Image.Image, inpaint: Inpaint) -> Image.Image:
    if inpaint.content is MaskedContent.ORIGINAL:
        return image
    return masks.fill_hole(image, mask)
