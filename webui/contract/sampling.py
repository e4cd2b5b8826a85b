"""How a request samples: solver, noise levels, guidance and the source of randomness."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from webui.contract.fields import Frozen, Name, Param

SEED_MAX = 2**32 - 1
"""The largest seed; the older UI draws below it, and every noise source accepts it."""

Seed = Annotated[int, Field(ge=-1, le=SEED_MAX)]


class NoiseSourceName(StrEnum):
    """Which generator draws the noise; the same seed gives another picture on another source."""

    CPU = "cpu"
    GPU = "gpu"
    NV = "nv"


class UniPCVariant(StrEnum):
    """The corrector of UniPC."""

    BH1 = "bh1"
    BH2 = "bh2"
    VARY_COEFF = "vary_coeff"


class UniPCSkip(StrEnum):
    """The spacing of UniPC's steps."""

    TIME_UNIFORM = "time_uniform"
    TIME_QUADRATIC = "time_quadratic"
    LOG_SNR = "logsnr"


# The fields are a table; one argument to a line would hide its rows.
# fmt: off

class Sampling(Frozen):
    """How the noise is taken away."""

    sampler: Annotated[
        Name,
        Param("Sampling method", "The solver that walks from noise to picture.",
              infotext="Sampler", axis=True, choices="samplers"),
    ] = "dpmpp_2m"
    schedule: Annotated[
        Name,
        Param("Schedule type", "How the noise levels are spaced. Automatic: as the sampler likes.",
              infotext="Schedule type", axis=True, choices="schedules"),
    ] = "automatic"
    steps: Annotated[
        int, Field(ge=1, le=150),
        Param("Sampling steps", "More steps: finer and slower. 20 is enough for most samplers.",
              infotext="Steps", axis=True, step=1),
    ] = 20
    cfg_scale: Annotated[
        float, Field(ge=1, le=30),
        Param("CFG Scale", "How strongly the picture follows the prompt.",
              infotext="CFG scale", axis=True, step=0.5),
    ] = 7.0
    distilled_cfg_scale: Annotated[
        float, Field(ge=0, le=30),
        Param("Distilled CFG Scale", "What models that learned guidance by heart, as FLUX.1 dev, "
              "are told instead of it.", infotext="Distilled CFG Scale", axis=True, step=0.1),
    ] = 3.5
    eta: Annotated[
        float | None, Field(ge=0, le=1),
        Param("Eta", "How much fresh noise each step adds. Empty: the sampler's own value.",
              infotext="Eta", axis=True, step=0.01),
    ] = None
    s_churn: Annotated[
        float, Field(ge=0, le=100),
        Param("Sigma churn", "Extra noise in Euler, Heun and DPM2.",
              infotext="Sigma churn", axis=True, step=0.01),
    ] = 0.0
    s_tmin: Annotated[
        float, Field(ge=0, le=10),
        Param("Sigma tmin", "Churn only above this noise level.",
              infotext="Sigma tmin", axis=True, step=0.01),
    ] = 0.0
    s_tmax: Annotated[
        float, Field(ge=0, le=999),
        Param("Sigma tmax", "Churn only below this noise level; 0 means no limit.",
              infotext="Sigma tmax", axis=True, step=0.01),
    ] = 0.0
    s_noise: Annotated[
        float, Field(ge=0, le=1.1),
        Param("Sigma noise", "Scale of the noise that is added while sampling.",
              infotext="Sigma noise", axis=True, step=0.001),
    ] = 1.0
    ensd: Annotated[
        int, Field(ge=-SEED_MAX, le=SEED_MAX),
        Param("Eta noise seed delta", "Added to the seed of the noise that ancestral samplers add "
              "while they sample; the starting noise keeps its seed.",
              infotext="ENSD", axis=True, step=1),
    ] = 0
    skip_negative_below: Annotated[
        float, Field(ge=0, le=15),
        Param("Negative guidance minimum sigma", "Below this noise level every second step leaves "
              "the negative prompt out: faster, a little rougher. 0 is off.",
              infotext="NGMS", axis=True, step=0.01),
    ] = 0.0
    skip_negative_all_steps: Annotated[
        bool,
        Param("Negative guidance minimum sigma, all steps", "Leave the negative prompt out at "
              "every step below that level, not at every second one.",
              infotext="NGMS all steps", axis=True),
    ] = False
    skip_negative_until: Annotated[
        float, Field(ge=0, le=1),
        Param("Ignore negative prompt during early sampling", "The share of the first steps that "
              "run without the negative prompt: faster, more varied. 0 is off.",
              infotext="Skip Early CFG", axis=True, step=0.01),
    ] = 0.0
    pack: Annotated[
        int, Field(ge=1, le=16),
        Param("Images per pass", "Run several images of a batch in one forward pass: faster on "
              "a GPU, equal to single images only within rounding.", infotext="Pack", step=1),
    ] = 1


class Levels(Frozen):
    """Which noise levels the schedule visits."""

    sigma_min: Annotated[
        float, Field(ge=0, le=10),
        Param("Sigma min", "Lowest noise level above zero; 0: the model's own.",
              infotext="Schedule min sigma", axis=True, step=0.001),
    ] = 0.0
    sigma_max: Annotated[
        float, Field(ge=0, le=1000),
        Param("Sigma max", "Highest noise level; 0: the model's own.",
              infotext="Schedule max sigma", axis=True, step=0.001),
    ] = 0.0
    rho: Annotated[
        float, Field(ge=0, le=20),
        Param("Rho", "How strongly Karras and Polyexponential bend; 0: the schedule's own.",
              infotext="Schedule rho", axis=True, step=0.01),
    ] = 0.0
    shift: Annotated[
        float, Field(ge=0, le=20),
        Param("Shift", "Higher: flow models such as SD 3 and FLUX stay longer at high noise; "
              "0: the model's own.", infotext="Shift", axis=True, step=0.05),
    ] = 0.0
    discard_next_to_last: Annotated[
        bool,
        Param("Discard next-to-last sigma", "Compute one noise level more and leave out the one "
              "before zero.", infotext="Discard penultimate sigma", axis=True),
    ] = False
    sgm_noise_multiplier: Annotated[
        bool,
        Param("SGM noise multiplier", "Scale the starting noise as the original SDXL program "
              "does; text to image only.", infotext="SGM noise multiplier", axis=True),
    ] = False
    zero_terminal_snr: Annotated[
        bool,
        Param("Zero terminal SNR", "Rescale the noise levels so that the first is pure noise, for "
              "models trained that way.", infotext="Noise Schedule", axis=True),
    ] = False
    downcast_alphas: Annotated[
        bool,
        Param("Downcast alphas_cumprod", "Round the model's noise table to half precision, as "
              "the older UI did before 1.7.", infotext="Downcast alphas_cumprod"),
    ] = False
    beta_alpha: Annotated[
        float, Field(ge=0.01, le=1),
        Param("Beta schedule alpha", "Higher: more steps at high noise.",
              infotext="Beta schedule alpha", axis=True, step=0.01),
    ] = 0.6
    beta_beta: Annotated[
        float, Field(ge=0.01, le=1),
        Param("Beta schedule beta", "Higher: more steps at low noise.",
              infotext="Beta schedule beta", axis=True, step=0.01),
    ] = 0.6


class UniPC(Frozen):
    """What only the UniPC sampler asks for."""

    variant: Annotated[
        UniPCVariant,
        Param("UniPC variant", "The form of its corrector.",
              infotext="UniPC variant", axis=True, choices="unipc_variants"),
    ] = UniPCVariant.BH1
    skip_type: Annotated[
        UniPCSkip,
        Param("UniPC skip type", "How its steps are spaced.",
              infotext="UniPC skip type", axis=True, choices="unipc_skips"),
    ] = UniPCSkip.TIME_UNIFORM
    order: Annotated[
        int, Field(ge=1, le=50),
        Param("UniPC order", "Earlier estimates that a step uses; below the number of steps.",
              infotext="UniPC order", axis=True, step=1),
    ] = 3
    lower_order_final: Annotated[
        bool,
        Param("UniPC lower order final", "Fall back to low orders in the last steps.",
              infotext="UniPC lower order final", axis=True),
    ] = True


class Framing(Frozen):
    """What SDXL and its refiner are told of the picture beside the words."""

    crop_top: Annotated[
        int, Field(ge=0, le=4096),
        Param("SDXL crop top", "Tell the model that this much was cut off above; 0: well framed.",
              infotext="SDXL crop top", axis=True, step=8),
    ] = 0
    crop_left: Annotated[
        int, Field(ge=0, le=4096),
        Param("SDXL crop left", "Tell the model that this much was cut off on the left.",
              infotext="SDXL crop left", axis=True, step=8),
    ] = 0
    aesthetic_score: Annotated[
        float, Field(ge=0, le=10),
        Param("Refiner aesthetic score", "How good a picture the refiner is told to make.",
              infotext="Aesthetic score", axis=True, step=0.1),
    ] = 6.0
    negative_aesthetic_score: Annotated[
        float, Field(ge=0, le=10),
        Param("Refiner low aesthetic score", "How good a picture it is told to stay away from.",
              infotext="Negative aesthetic score", axis=True, step=0.1),
    ] = 2.5


class RefinerPass(StrEnum):
    """Which passes of a hires fix the refiner joins."""

    FIRST = "first_pass"
    SECOND = "second_pass"
    BOTH = "both_passes"


class Refiner(Frozen):
    """A second checkpoint that takes over in mid-run."""

    checkpoint: Annotated[
        Name,
        Param("Refiner", "The checkpoint that finishes the picture.",
              infotext="Refiner", axis=True, choices="checkpoints"),
    ]
    switch_at: Annotated[
        float, Field(ge=0.01, le=1),
        Param("Refiner switch at", "The share of the run after which it takes over; 1: never.",
              infotext="Refiner switch at", axis=True, step=0.01),
    ] = 0.8
    by_sampling_steps: Annotated[
        bool,
        Param("Switch refiner by sampling steps", "Count steps instead of noise levels, as the "
              "older UI did before 1.8.", infotext="Refiner switch by sampling steps"),
    ] = False
    hires_pass: Annotated[
        RefinerPass,
        Param("Refiner in hires fix", "Which of the two passes it joins.",
              infotext="Hires refiner", choices="refiner_passes"),
    ] = RefinerPass.SECOND


class Noise(Frozen):
    """Where the randomness comes from."""

    seed: Annotated[
        Seed,
        Param("Seed", "The same seed with the same settings gives the same picture; "
              "-1 draws a new one.", infotext="Seed", axis=True, step=1),
    ] = -1
    variation_seed: Annotated[
        Seed,
        Param("Variation seed", "A second seed that is blended into the first; -1 draws one.",
              infotext="Variation seed", axis=True, step=1),
    ] = -1
    variation_strength: Annotated[
        float, Field(ge=0, le=1),
        Param("Variation strength", "0 is the seed alone, 1 the variation seed alone.",
              infotext="Variation seed strength", axis=True, step=0.01),
    ] = 0.0
    resize_from_width: Annotated[
        int, Field(ge=0, le=2048, multiple_of=8),
        Param("Resize seed from width", "Keep the composition that the seed has at this width; "
              "0 is off.", infotext="Seed resize from-1", axis=True, step=8),
    ] = 0
    resize_from_height: Annotated[
        int, Field(ge=0, le=2048, multiple_of=8),
        Param("Resize seed from height", "Keep the composition that the seed has at this height; "
              "0 is off.", infotext="Seed resize from-2", axis=True, step=8),
    ] = 0
    source: Annotated[
        NoiseSourceName,
        Param("Random number source", "CPU is the same on every machine; NV imitates an NVIDIA "
              "card on any machine.", infotext="RNG", axis=True, choices="noise_sources"),
    ] = NoiseSourceName.CPU
    extra: Annotated[
        float, Field(ge=0, le=1),
        Param("Extra noise", "Noise laid over a picture beyond what its denoising strength asks "
              "for: more detail in img2img and hires fix.",
              infotext="Extra noise", axis=True, step=0.01),
    ] = 0.0

# fmt: on
