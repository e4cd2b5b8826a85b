"""Pictures that a request starts from: references, the source, the mask."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from webui.contract.fields import Frozen, Name, Param, Text

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ResizeMode(StrEnum):
    """How a picture of another shape is brought to the target size."""

    JUST_RESIZE = "just_resize"
    CROP_AND_RESIZE = "crop_and_resize"
    RESIZE_AND_FILL = "resize_and_fill"
    LATENT_UPSCALE = "latent_upscale"


class MaskMode(StrEnum):
    """Which side of the mask is painted anew."""

    INPAINT_MASKED = "inpaint_masked"
    INPAINT_NOT_MASKED = "inpaint_not_masked"


class MaskedContent(StrEnum):
    """What stands in the masked place when painting begins."""

    FILL = "fill"
    ORIGINAL = "original"
    LATENT_NOISE = "latent_noise"
    LATENT_NOTHING = "latent_nothing"


class InpaintArea(StrEnum):
    """How much of the picture goes through the model."""

    WHOLE_PICTURE = "whole_picture"
    ONLY_MASKED = "only_masked"


class Blob(Frozen):
    """An uploaded picture, kept under the hash of its bytes."""

    kind: Literal["blob"] = "blob"
    sha256: Sha256


class Rooted(Frozen):
    """A file below a configured root, made only by the server; it must not have changed."""

    kind: Literal["rooted"] = "rooted"
    root_id: Name
    relative_path: Text
    size: int
    mtime_ns: int


class OutputOf(Frozen):
    """The `n`-th picture that another item of the same job makes."""

    kind: Literal["output"] = "output"
    item: Annotated[int, Field(ge=0)]
    n: Annotated[int, Field(ge=0)] = 0


ImageRef = Annotated[Blob | Rooted | OutputOf, Field(discriminator="kind")]

# The fields are a table; one argument to a line would hide its rows.
# fmt: off

class Inpaint(Frozen):
    """The part of the picture that is painted anew, and how."""

    mask: Annotated[
        ImageRef,
        Param("Mask", "White, or opaque in a picture with transparency, is painted anew.",
              infotext="Inpaint mask"),
    ]
    blur: Annotated[
        int, Field(ge=0, le=64),
        Param("Mask blur", "How soft the edge of the mask is, in pixels.",
              infotext="Mask blur", axis=True, step=1),
    ] = 4
    blur_down: Annotated[
        int | None, Field(ge=0, le=64),
        Param("Mask blur, downward", "Another softness up and down; empty: the same.",
              infotext="Mask blur down", step=1),
    ] = None
    mode: Annotated[
        MaskMode,
        Param("Mask mode", "Paint what is masked, or all but that.",
              infotext="Mask mode", axis=True, choices="mask_modes"),
    ] = MaskMode.INPAINT_MASKED
    content: Annotated[
        MaskedContent,
        Param("Masked content", "What stands in the masked place at the start.",
              infotext="Masked content", axis=True, choices="masked_contents"),
    ] = MaskedContent.ORIGINAL
    area: Annotated[
        InpaintArea,
        Param("Inpaint area", "Only masked: the place around the mask is cut out, painted at full "
              "size, and put back.", infotext="Inpaint area", axis=True, choices="inpaint_areas"),
    ] = InpaintArea.WHOLE_PICTURE
    padding: Annotated[
        int, Field(ge=0, le=256),
        Param("Only masked padding, pixels", "How much around the mask is seen while painting.",
              infotext="Masked area padding", axis=True, step=4),
    ] = 32
    rounded: Annotated[
        bool,
        Param("Hard mask", "Each cell of the latent is either painted or kept; off, soft edges "
              "mix.", infotext="Mask rounding"),
    ] = True
    overlay: Annotated[
        bool,
        Param("Overlay original", "Lay the kept part of the picture over the result, so that it "
              "stays bit for bit.", infotext="Overlay original"),
    ] = True


class Source(Frozen):
    """The picture that is painted over."""

    image: Annotated[
        ImageRef, Param("Source image", "The picture to start from.", infotext="Init image")
    ]
    denoising_strength: Annotated[
        float, Field(ge=0, le=1),
        Param("Denoising strength", "0 keeps the picture, 1 ignores it.",
              infotext="Denoising strength", axis=True, step=0.01),
    ] = 0.75
    resize_mode: Annotated[
        ResizeMode,
        Param("Resize mode", "What happens when the picture has another shape than the result.",
              infotext="Resize mode", axis=True, choices="resize_modes"),
    ] = ResizeMode.JUST_RESIZE
    exact_steps: Annotated[
        bool,
        Param("Do exactly the amount of steps", "Run all the steps whatever the denoising "
              "strength, as the hires pass does.", infotext="Img2img exact steps", axis=True),
    ] = False
    zero_strength_step: Annotated[
        bool,
        Param("One step at strength 0", "The older UI runs one step even at denoising strength 0; "
              "off, strength 0 gives the resized picture.", infotext="Zero strength step"),
    ] = False
    noise_multiplier: Annotated[
        float, Field(ge=0, le=1.5),
        Param("Noise multiplier", "Scales the noise laid over the picture at the start.",
              infotext="Noise multiplier", axis=True, step=0.001),
    ] = 1.0
    color_correction: Annotated[
        bool,
        Param("Color correction", "Give the result the colours of the source picture.",
              infotext="Color correction", axis=True),
    ] = False
    image_cfg_scale: Annotated[
        float, Field(ge=0, le=3),
        Param("Image CFG Scale", "How strongly the picture follows the source; only models that "
              "edit by instructions look at it.", infotext="Image CFG scale", axis=True, step=0.05),
    ] = 1.5
    conditioning_mask_strength: Annotated[
        float, Field(ge=0, le=1),
        Param("Inpainting conditioning mask strength", "How much of what the mask covers an "
              "inpainting model does not see; 0 shows it the whole picture.",
              infotext="Conditional mask weight", axis=True, step=0.01),
    ] = 1.0
    inpaint: Inpaint | None = None

# fmt: on
