"""What a sampler is: a stateless solver, and the facts about it that others must know."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.prediction import Prediction
from webui.diffusion.space import NoiseSpace, VarianceExploding


@dataclass(frozen=True)
class UniPCForm:
    """What only UniPC is asked.

    Attributes:
        variant: B(h) = h, B(h) = expm1(h), or coefficients that vary from step to step.
        order: how many estimates a step rests on, at most.
        lower_order_final: whether orders fall to 1 in the last steps.
    """

    variant: Literal["bh1", "bh2", "vary_coeff"] = "bh1"
    order: int = 3
    lower_order_final: bool = True


@dataclass(frozen=True)
class SamplerOptions:
    """What may be asked of a solver; each sampler's `reads` says which of these it heeds.

    Attributes:
        eta: share of fresh noise per step; None means the sampler's own default.
        s_churn: noise added before each step (Karras et al. 2022, algorithm 2).
        s_tmin: lowest sigma at which `s_churn` acts.
        s_tmax: highest sigma at which `s_churn` acts.
        s_noise: factor on all fresh noise.
        space: where x lives; pass the `Prediction` in use, which answers as one.
        noise_range: lowest positive and highest sigma of the *whole* schedule, which Brownian
            noise spans; None reads them off the sigmas being run. They differ in image to image.
        model_range: lowest and highest sigma of the model, between which solvers that choose
            their own levels walk; None, as in image to image, takes the ends of the sigmas run.
        last_uncond: the estimate for the negative prompt in the latest call of the denoiser.
        unipc: the form of UniPC.
    """

    eta: float | None = None
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = math.inf
    s_noise: float = 1.0
    space: NoiseSpace = field(default_factory=VarianceExploding)
    noise_range: tuple[float, float] | None = None
    model_range: tuple[float, float] | None = None
    last_uncond: Callable[[], Tensor] | None = None
    unipc: UniPCForm = field(default_factory=UniPCForm)


Solve: TypeAlias = Callable[[Denoiser, Tensor, Tensor, NoiseSource, SamplerOptions], Tensor]
"""`(denoiser, x, sigmas, noise, options) -> x`: x is (B, C, H, W) at sigmas[0]; one or more calls
of the denoiser for each of the len(sigmas) - 1 steps; the result is the clean latent."""


def unchanged(prediction: Prediction) -> Prediction:
    """The prediction as it is."""
    return prediction


@dataclass(frozen=True)
class Sampler:
    """A solver with its names and habits.

    Attributes:
        name: registry id, snake_case.
        label: what users call it; written to the infotext.
        sample: the solver.
        aliases: older names it also answers to.
        automatic: name of the schedule that "Automatic" means for it.
        owns_schedule: whether a schedule chosen by hand is ignored, as the older UI does.
        second_order: two network calls per step, as the schedule of a prompt counts them.
        brownian: takes its noise from a Brownian tree.
        uses_ensd: heeds the "eta noise seed delta" in the infotext.
        discard_next_to_last: drops the sigma before the final zero.
        unit_start: starts from noise of unit variance in variance-preserving terms.
        packs: whether several images may share a run; not where they would steer each other.
        cfg_factor: what the guidance scale asked for is multiplied by.
        needs_uncond: needs `SamplerOptions.last_uncond`, at any guidance scale.
        reads: names of the `SamplerOptions` it heeds.
        adapt: the prediction as this sampler needs it; apply before building the denoiser.
    """

    name: str
    label: str
    sample: Solve
    aliases: tuple[str, ...] = ()
    automatic: str = "uniform"
    owns_schedule: bool = False
    second_order: bool = False
    brownian: bool = False
    uses_ensd: bool = False
    discard_next_to_last: bool = False
    unit_start: bool = False
    packs: bool = True
    cfg_factor: float = 1.0
    needs_uncond: bool = False
    reads: frozenset[str] = frozenset()
    adapt: Callable[[Prediction], Prediction] = unchanged
