"""What a row of the families table says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from webui.library.headers import Header

CONFIGS = Path(__file__).parents[1] / "configs"
NETWORK = "model.diffusion_model."

PredictionKind = Literal["epsilon", "v_prediction", "flow"]

Joining = Literal["alone", "side_by_side", "in_a_row", "last_alone"]
"""How the outputs of a family's text encoders become one; see `webui.prompts.joining`."""


Sight = Literal["nothing", "mask", "picture", "reference"]
"""What the network sees beside the noisy latent: nothing, a mask and the picture without what it
covers, or a picture, as further channels of its input; or a picture as a reference beside it."""

Numbers = Literal["none", "sizes", "scores"]
"""What is told beside the text: sizes of the picture, or sizes and an aesthetic score."""


@dataclass(frozen=True)
class LatentFormat:
    """How pixels become latents: `(encoded - shift) * scale`, each axis `factor` times smaller."""

    channels: int = 4
    scale: float = 0.18215
    shift: float = 0.0
    factor: int = 8


@dataclass(frozen=True)
class Part:
    """One component of a model.

    Attributes:
        folder: its folder in diffusers layout.
        prefix: what its tensors' names start with in a single file.
        kind: the class that runs it.
        config: its configuration for single files, a path below `configs`.
    """

    folder: str
    prefix: str
    kind: str
    config: str


@dataclass(frozen=True)
class TextEncoder(Part):
    """A text encoder with its tokenizer.

    Attributes:
        tokenizer: the tokenizer's folder in diffusers layout.
        pad: the word that fills a chunk, for single files.
        skips: whether clip skip applies to it.
        layer: whose output is read, counted from the end, where clip skip does not apply.
        normed: whether the final norm follows an earlier layer's output.
        pools: whether it gives one vector for the whole text as well.
        tower: what the files are that hold it alone, as `webui.library.identify` calls them.
        optional: whether the model works without it.
        length: tokens that a prompt is filled up to, for encoders that read it in one piece.
    """

    tokenizer: str = "tokenizer"
    pad: str = "<|endoftext|>"
    skips: bool = True
    layer: int = 1
    normed: bool = True
    pools: bool = False
    tower: str = ""
    optional: bool = False
    length: int = 0


@dataclass(frozen=True)
class Defaults:
    """What a request should start from when a person chooses the model.

    `why` is a sentence for people where other values would spoil the picture.
    """

    width: int = 512
    height: int = 512
    steps: int = 20
    cfg_scale: float = 7.0
    sampler: str = ""
    schedule: str = ""
    why: str = ""


@dataclass(frozen=True)
class ModelFamily:
    """What all models of one kind share; a row of `FAMILIES`.

    `matches` looks at the header of a single file, `accepts` at the model_index.json and the
    network's config.json of a folder in diffusers layout. `joining` says how the outputs of its
    text encoders become one, `silent_negative` whether an empty negative prompt is all zeros
    instead of the encoded empty text, `sees` and `numbers` what the network gets besides. `base`
    names the family that adapters and published tables are made for; "" is the row's own name.
    """

    name: str
    label: str
    prediction: PredictionKind
    latent: LatentFormat
    network: Part
    vae: Part
    encoders: tuple[TextEncoder, ...]
    scheduler: str
    defaults: Defaults
    matches: Callable[[Header], bool]
    accepts: Callable[[Mapping[str, Any], Mapping[str, Any], PredictionKind], bool]
    joining: Joining = "alone"
    silent_negative: bool = False
    sees: Sight = "nothing"
    numbers: Numbers = "none"
    base: str = ""
