"""The frozen request types: everything that changes the pixels, and nothing else."""

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from webui.contract.fields import Frozen, Name, Param, Text
from webui.contract.pictures import (
    Blob,
    ImageRef,
    Inpaint,
    InpaintArea,
    MaskedContent,
    MaskMode,
    OutputOf,
    ResizeMode,
    Rooted,
    Sha256,
    Source,
)
from webui.contract.sampling import (
    SEED_MAX,
    Framing,
    Levels,
    Noise,
    NoiseSourceName,
    Refiner,
    RefinerPass,
    Sampling,
    Seed,
    UniPC,
)

__all__ = [
    "SEED_MAX", "AnyRequest", "Blob", "Canvas", "Emphasis", "Framing", "GenerationRequest", "Hires",
    "ImageRef", "Inpaint", "InpaintArea", "Levels", "MaskMode", "MaskedContent", "Model", "Noise",
    "NoiseSourceName", "OutputOf", "Prompt", "Reading", "Refiner", "RefinerPass", "ResizeMode",
    "Rooted", "Sampling", "ScriptCall", "Seed", "Sha256", "Source", "UniPC", "digest",
]  # fmt: skip


class Emphasis(StrEnum):
    """What attention brackets do to the encoded prompt."""

    ORIGINAL = "original"
    NO_NORM = "no_norm"
    IGNORE = "ignore"
    NONE = "none"


# The fields are a table; one argument to a line would hide its rows.
# fmt: off

class Prompt(Frozen):
    """The words that steer the picture."""

    positive: Annotated[
        Text,
        Param("Prompt", "What the picture should show. (word:1.2) gives a word more weight.",
              infotext="Prompt", axis=True, multiline=True),
    ] = ""
    negative: Annotated[
        Text,
        Param("Negative prompt", "What the picture should not show.",
              infotext="Negative prompt", axis=True, multiline=True),
    ] = ""
    styles: Annotated[
        tuple[Name, ...],
        Param("Styles", "Saved pieces of prompt that are added to both prompts.",
              infotext="Styles", axis=True, choices="styles"),
    ] = ()


class Reading(Frozen):
    """How the words are read."""

    emphasis: Annotated[
        Emphasis,
        Param("Emphasis mode", "How (word:1.2) works. Original: weigh, then restore the mean.",
              infotext="Emphasis", axis=True, choices="emphases"),
    ] = Emphasis.ORIGINAL
    old_editing: Annotated[
        bool,
        Param("Old prompt editing timelines", "[a:b:10] counts each pass from its start, as in "
              "the older UI before 1.6.", infotext="Old prompt editing timelines"),
    ] = False
    old_emphasis: Annotated[
        bool,
        Param("Old emphasis implementation", "One chunk of 75 tokens and brackets counted as in "
              "the first versions of the older UI.", infotext="Old emphasis implementation"),
    ] = False
    comma_backtrack: Annotated[
        int, Field(ge=0, le=74),
        Param("Comma backtrack", "A phrase cut by the end of 75 tokens moves whole to the next, "
              "if its comma is at most this many tokens back; 0 is off.",
              infotext="Comma backtrack", step=1),
    ] = 20
    pad_conds: Annotated[
        bool,
        Param("Pad prompts", "Bring prompt and negative prompt to one length with empty text: "
              "faster when they differ.", infotext="Pad conds", axis=True),
    ] = False
    pad_conds_v0: Annotated[
        bool,
        Param("Pad prompts, old way", "Bring both to one length by repeating the last token, as "
              "DDIM and PLMS did before 1.6.", infotext="Pad conds v0", axis=True),
    ] = False


class Model(Frozen):
    """Which weights draw."""

    checkpoint: Annotated[
        Name,
        Param("Checkpoint", "The model that draws. Empty: the one chosen in the settings.",
              infotext="Model", axis=True, choices="checkpoints"),
    ] = ""
    vae: Annotated[
        Name,
        Param("VAE", "What turns latents into pictures. Empty: the file beside the checkpoint "
              "that has its name, else the checkpoint's own; None: always its own.",
              infotext="VAE", axis=True, choices="vaes"),
    ] = ""
    text_encoders: Annotated[
        tuple[Name, ...], Field(max_length=4),
        Param("Text encoders", "Files that the model reads prompts with instead of its own. A "
              "model without text encoders finds fitting ones itself.",
              infotext="Text encoders", choices="text_encoders"),
    ] = ()
    clip_skip: Annotated[
        int, Field(ge=1, le=12),
        Param("Clip skip", "Take the text encoder's output this many layers before its end.",
              infotext="Clip skip", axis=True, step=1),
    ] = 1


class Canvas(Frozen):
    """Size and number of the pictures."""

    width: Annotated[
        int, Field(ge=64, le=2048, multiple_of=8),
        Param("Width", "Width in pixels, a multiple of 8.",
              infotext="Size-1", axis=True, step=8),
    ] = 512
    height: Annotated[
        int, Field(ge=64, le=2048, multiple_of=8),
        Param("Height", "Height in pixels, a multiple of 8.",
              infotext="Size-2", axis=True, step=8),
    ] = 512
    batch_count: Annotated[
        int, Field(ge=1, le=1000),
        Param("Batch count", "How many batches are made, one after the other.", step=1),
    ] = 1
    batch_size: Annotated[
        int, Field(ge=1, le=16),
        Param("Batch size", "How many images a batch holds. Seeds count upward.", step=1),
    ] = 1
    tiling: Annotated[
        bool,
        Param("Tiling", "Make a picture whose edges fit together.",
              infotext="Tiling", axis=True),
    ] = False


class Hires(Frozen):
    """A second pass at a larger size over the first picture."""

    upscaler: Annotated[
        Name,
        Param("Upscaler", "How the first picture is enlarged.",
              infotext="Hires upscaler", axis=True, choices="hires_upscalers"),
    ] = "latent"
    steps: Annotated[
        int, Field(ge=0, le=150),
        Param("Hires steps", "Steps of the second pass; 0: as many as the first.",
              infotext="Hires steps", axis=True, step=1),
    ] = 0
    denoising_strength: Annotated[
        float, Field(ge=0, le=1),
        Param("Hires denoising strength", "How far the second pass may change the picture.",
              infotext="Hires denoising strength", axis=True, step=0.01),
    ] = 0.7
    scale: Annotated[
        float, Field(ge=1, le=4),
        Param("Upscale by", "Factor of enlargement; the two sizes below replace it.",
              infotext="Hires upscale", axis=True, step=0.05),
    ] = 2.0
    width: Annotated[
        int, Field(ge=0, le=4096, multiple_of=8),
        Param("Resize width to", "Width after the second pass; 0: from the height or factor.",
              infotext="Hires resize-1", axis=True, step=8),
    ] = 0
    height: Annotated[
        int, Field(ge=0, le=4096, multiple_of=8),
        Param("Resize height to", "Height after the second pass; 0: from the width or factor.",
              infotext="Hires resize-2", axis=True, step=8),
    ] = 0
    sampler: Annotated[
        Name,
        Param("Hires sampling method", "Empty: the same as in the first pass.",
              infotext="Hires sampler", axis=True, choices="samplers"),
    ] = ""
    schedule: Annotated[
        Name,
        Param("Hires schedule type", "Empty: the same as in the first pass.",
              infotext="Hires schedule type", axis=True, choices="schedules"),
    ] = ""
    prompt: Annotated[
        Text,
        Param("Hires prompt", "Empty: the same as in the first pass.",
              infotext="Hires prompt", multiline=True),
    ] = ""
    negative_prompt: Annotated[
        Text,
        Param("Hires negative prompt", "Empty: the same as in the first pass.",
              infotext="Hires negative prompt", multiline=True),
    ] = ""
    cfg_scale: Annotated[
        float, Field(ge=0, le=30),
        Param("Hires CFG Scale", "0: the same as in the first pass.",
              infotext="Hires CFG Scale", axis=True, step=0.5),
    ] = 0.0
    distilled_cfg_scale: Annotated[
        float, Field(ge=0, le=30),
        Param("Hires Distilled CFG Scale", "0: the same as in the first pass.",
              infotext="Hires Distilled CFG Scale", axis=True, step=0.1),
    ] = 0.0
    checkpoint: Annotated[
        Name,
        Param("Hires checkpoint", "Empty: the same as in the first pass.",
              infotext="Hires checkpoint", axis=True, choices="checkpoints"),
    ] = ""

# fmt: on


class ScriptCall(Frozen):
    """A plugin script by name, with its arguments as plain JSON."""

    name: Name
    args: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])

    def __hash__(self) -> int:
        return hash((self.name, json.dumps(self.args, sort_keys=True)))


class GenerationRequest(Frozen):
    """One wish for pictures; text to image is image to image with no source."""

    kind: Literal["generation"] = "generation"
    prompt: Prompt = Prompt()
    reading: Reading = Reading()
    model: Model = Model()
    sampling: Sampling = Sampling()
    levels: Levels = Levels()
    unipc: UniPC = UniPC()
    canvas: Canvas = Canvas()
    noise: Noise = Noise()
    source: Source | None = None
    hires: Hires | None = None
    refiner: Refiner | None = None
    framing: Framing = Framing()
    script: ScriptCall | None = None
    effects: tuple[ScriptCall, ...] = ()

    @property
    def mode(self) -> Literal["txt2img", "img2img"]:
        """The community's word for this kind of request."""
        return "txt2img" if self.source is None else "img2img"


AnyRequest = GenerationRequest
"""Every kind of work is a job; further kinds join here, told apart by `kind`."""


def digest(value: Frozen) -> str:
    """A short name for a frozen value: the first 16 hex of the SHA-256 of its JSON."""
    return hashlib.sha256(value.model_dump_json().encode()).hexdigest()[:16]
