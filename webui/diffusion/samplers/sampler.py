"""What a sampler is: a stateless solver, and the facts about it that others must know."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.prediction import Prediction
from webui.diffusion.space import NoiseSpace, VarianceExploding


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
    """

    eta: float | None = None
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = math.inf
    s_noise: float = 1.0
    space: NoiseSpace = field(default_factory=VarianceExploding)
    noise_range: tuple[float, float] | None = None


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
        second_order: two network calls per step.
        brownian: takes its noise from a Brownian tree.
        uses_ensd: heeds the "eta noise seed delta" in the infotext.
        discard_next_to_last: drops the sigma before the final zero.
        unit_start: starts from noise of unit variance in variance-preserving terms.
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
    reads: frozenset[str] = frozenset()
    adapt: Callable[[Prediction], Prediction] = unchanged
