"""The mask fields of the older surface: their numbers and defaults as that surface has them."""

from collections.abc import Mapping
from typing import Any, cast

from webui.api.parts import Blobs
from webui.contract.request import Inpaint, InpaintArea, MaskedContent, MaskMode
from webui.errors import InvalidRequest
from webui.images.decode import DecodeLimits, decode_base64

CONTENTS = (
    MaskedContent.FILL,
    MaskedContent.ORIGINAL,
    MaskedContent.LATENT_NOISE,
    MaskedContent.LATENT_NOTHING,
)
"""Masked contents by the number that stands for them in `inpainting_fill`."""

OLDER_NAMES: Mapping[str, str] = {
    "source.inpaint.mask": "mask",
    "source.inpaint.blur": "mask_blur",
    "source.inpaint.blur_down": "mask_blur_y",
    "source.inpaint.mode": "inpainting_mask_invert",
    "source.inpaint.content": "inpainting_fill",
    "source.inpaint.area": "inpaint_full_res",
    "source.inpaint.padding": "inpaint_full_res_padding",
    "source.inpaint.rounded": "mask_round",
}


def read_inpaint(sent: Mapping[str, Any], blobs: Blobs, limits: DecodeLimits) -> Inpaint | None:
    """The mask, kept among the blobs, and how it is used; None where none was sent.

    Raises InvalidRequest in the older words.
    """
    if not sent.get("mask"):
        return None
    fill = cast("int", sent.get("inpainting_fill", 0))
    if not 0 <= fill < len(CONTENTS):
        raise InvalidRequest("inpainting_fill", "inpainting_fill must be 0, 1, 2 or 3.")
    across = _blur(sent, "mask_blur", sent.get("mask_blur_x", 4))
    down = _blur(sent, "mask_blur", sent.get("mask_blur_y", 4))
    padding = cast("int", sent.get("inpaint_full_res_padding", 0))
    if not 0 <= padding <= 256:
        raise InvalidRequest(
            "inpaint_full_res_padding", "inpaint_full_res_padding must be between 0 and 256."
        )
    inverted, only_masked = (
        sent.get("inpainting_mask_invert", 0),
        sent.get("inpaint_full_res", True),
    )
    return Inpaint(
        mask=blobs.put(decode_base64(sent["mask"], "mask", limits), "mask"),
        blur=across,
        blur_down=None if down == across else down,
        mode=MaskMode.INPAINT_NOT_MASKED if inverted else MaskMode.INPAINT_MASKED,
        content=CONTENTS[fill],
        area=InpaintArea.ONLY_MASKED if only_masked else InpaintArea.WHOLE_PICTURE,
        padding=padding,
        rounded=cast("bool", sent.get("mask_round", True)),
    )


def _blur(sent: Mapping[str, Any], name: str, own: object) -> int:
    value = cast("int", sent.get(name, own))
    if not 0 <= value <= 64:
        raise InvalidRequest(name, f"{name} must be between 0 and 64.")
    return value
