"""The arguments of the built-in effects; their defaults change nothing."""

from typing import Annotated, Literal

from pydantic import Field

from webui.contract.fields import Frozen, Name, Param

Mode = Literal[
    "Constant", "Linear Down", "Cosine Down", "Half Cosine Down", "Linear Up", "Cosine Up",
    "Half Cosine Up", "Power Up", "Power Down", "Linear Repeating", "Cosine Repeating", "Sawtooth",
]  # fmt: skip
"""How a scale moves over the steps, under the names that infotexts have."""

# The fields are tables; one argument to a line would hide their rows. Their order is that of the
# positional arguments that clients of the older surface send.
# fmt: off

class TokenMergingArgs(Frozen):
    """How many tokens of a self-attention are merged with their like."""

    ratio: Annotated[
        float, Field(ge=0, le=0.9),
        Param("Token merging ratio", "The share of a layer's tokens that are merged: faster, "
              "with less fine detail; 0 is off.",
              infotext="Token merging ratio", axis=True, step=0.05),
    ] = 0.0
    hr_ratio: Annotated[
        float, Field(ge=0, le=0.9),
        Param("Hires pass ratio", "0: the same as in the first pass.",
              infotext="Token merging ratio hr", axis=True, step=0.05),
    ] = 0.0
    max_downsample: Annotated[
        int, Field(ge=1, le=8),
        Param("Deepest layers", "Merge in layers that see the latent at down to this fraction "
              "of its size: 1 is the older UI's choice; SDXL begins at 2.",
              infotext="Token merging max downsample", axis=True, step=1),
    ] = 1


class FreeUArgs(Frozen):
    """How the decoder of the network weighs its backbone against its skip connections."""

    b1: Annotated[
        float, Field(ge=0, le=2),
        Param("B1", "Backbone of the deepest stage; above 1 gives clearer shapes, 1 is off.",
              infotext="FreeU b1", axis=True, step=0.01),
    ] = 1.0
    b2: Annotated[
        float, Field(ge=0, le=2),
        Param("B2", "Backbone of the stage after it; 1 is off.",
              infotext="FreeU b2", axis=True, step=0.01),
    ] = 1.0
    s1: Annotated[
        float, Field(ge=0, le=4),
        Param("S1", "Coarse content of the deepest skip connections; below 1 gives smoother "
              "pictures, 1 is off.", infotext="FreeU s1", axis=True, step=0.01),
    ] = 1.0
    s2: Annotated[
        float, Field(ge=0, le=4),
        Param("S2", "Coarse content of the skip connections after them; 1 is off.",
              infotext="FreeU s2", axis=True, step=0.01),
    ] = 1.0
    start: Annotated[
        float, Field(ge=0, le=1),
        Param("Start", "Where in the pass it sets in: 0 with the first step, 1 with the last.",
              infotext="FreeU start", axis=True, step=0.01),
    ] = 0.0
    end: Annotated[
        float, Field(ge=0, le=1),
        Param("End", "Where in the pass it ends: 1 lasts through the last step.",
              infotext="FreeU end", axis=True, step=0.01),
    ] = 1.0
    version: Annotated[
        Literal["1", "2"],
        Param("Version", "1: one factor for the whole backbone. 2: the factor follows the "
              "backbone's own strength from place to place.",
              infotext="FreeU version", axis=True),
    ] = "2"


class SelfAttentionArgs(Frozen):
    """Guidance away from a picture whose salient parts are blurred."""

    scale: Annotated[
        float, Field(ge=-2, le=5),
        Param("SAG scale", "How strongly it guides; 0 is off.",
              infotext="SAG Guidance Scale", axis=True, step=0.05),
    ] = 0.0
    blur_sigma: Annotated[
        float, Field(gt=0, le=10),
        Param("Blur", "Standard deviation of the blur, in latent cells.",
              infotext="SAG Blur Sigma", axis=True, step=0.1),
    ] = 1.0
    threshold: Annotated[
        float, Field(ge=0, le=2),
        Param("Mask threshold", "What gets more attention than this is blurred; 1 is the mean.",
              infotext="SAG Mask Threshold", axis=True, step=0.01),
    ] = 1.0


class PerturbedAttentionArgs(Frozen):
    """Guidance away from what the network sees without its self-attention."""

    scale: Annotated[
        float, Field(ge=0, le=30),
        Param("PAG scale", "How strongly it guides; 0 is off.",
              infotext="PAG Scale", axis=True, step=0.1),
    ] = 0.0
    attenuation: Annotated[
        float, Field(ge=0, le=100),
        Param("Attenuation", "Percent of the scale that is lost on the way from the first step "
              "to the last.", infotext="PAG attenuation", axis=True, step=1),
    ] = 0.0
    start: Annotated[
        float, Field(ge=0, le=1),
        Param("Start", "Where in the pass it sets in: 0 with the first step, 1 with the last.",
              infotext="PAG start", axis=True, step=0.01),
    ] = 0.0
    end: Annotated[
        float, Field(ge=0, le=1),
        Param("End", "Where in the pass it ends: 1 lasts through the last step.",
              infotext="PAG end", axis=True, step=0.01),
    ] = 1.0
    layers: Annotated[
        Name,
        Param("Layers", "Whose self-attention is perturbed: mid, down, up, or a part as down.1 "
              "or up.0.1; several with commas.", infotext="PAG layers", axis=True),
    ] = "mid"


class RescaleArgs(Frozen):
    """How far a guided estimate is brought back to the spread of the prompt's own."""

    multiplier: Annotated[
        float, Field(ge=0, le=1),
        Param("CFG rescale", "Takes back the contrast that a high CFG scale adds; 0 is off.",
              infotext="CFG Rescale", axis=True, step=0.05),
    ] = 0.0


class ThresholdingArgs(Frozen):
    """A guidance as strong as the CFG scale, with the range of values of a lower scale."""

    mimic_scale: Annotated[
        float, Field(ge=0, le=30),
        Param("Mimic scale", "The CFG scale whose range of values the result has; 0 is off.",
              infotext="Mimic scale", axis=True, step=0.5),
    ] = 0.0
    threshold_percentile: Annotated[
        float, Field(ge=50, le=100),
        Param("Threshold percentile", "Values beyond this percentile are cut off; 100 cuts none.",
              infotext="Threshold percentile", axis=True, step=0.05),
    ] = 100.0
    mimic_mode: Annotated[
        Mode,
        Param("Mimic mode", "How the mimic scale moves over the steps.",
              infotext="Mimic mode", axis=True),
    ] = "Constant"
    mimic_scale_min: Annotated[
        float, Field(ge=0, le=30),
        Param("Mimic scale min", "Where a moving mimic scale ends.",
              infotext="Mimic scale minimum", axis=True, step=0.5),
    ] = 0.0
    cfg_mode: Annotated[
        Mode,
        Param("CFG mode", "How the CFG scale moves over the steps.",
              infotext="CFG mode", axis=True),
    ] = "Constant"
    cfg_scale_min: Annotated[
        float, Field(ge=0, le=30),
        Param("CFG scale min", "Where a moving CFG scale ends.",
              infotext="CFG scale minimum", axis=True, step=0.5),
    ] = 0.0
    scheduler_value: Annotated[
        float, Field(ge=0, le=100),
        Param("Scheduler value", "The power of the Power modes, the number of waves of the "
              "repeating ones.", infotext="Scheduler value", axis=True, step=0.01),
    ] = 4.0
    separate_channels: Annotated[
        bool,
        Param("Separate feature channels", "Bring each latent channel to its range by itself.",
              infotext="Separate Feature Channels", axis=True),
    ] = True
    startpoint: Annotated[
        Literal["MEAN", "ZERO"],
        Param("Scaling startpoint", "Whether values shrink toward their mean or toward zero.",
              infotext="Scaling Startpoint", axis=True),
    ] = "MEAN"
    measure: Annotated[
        Literal["AD", "STD"],
        Param("Variability measure", "AD: the largest deviation. STD: the standard deviation.",
              infotext="Variability Measure", axis=True),
    ] = "AD"
    interpolate_phi: Annotated[
        float, Field(ge=0, le=1),
        Param("Interpolate phi", "How much of the result there is; the rest is plain guidance.",
              infotext="Interpolate Phi", axis=True, step=0.01),
    ] = 1.0

# fmt: on
