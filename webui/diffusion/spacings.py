"""Spacings: the formulas that place a schedule's noise levels.

Each gives n falling sigmas and a final zero for n steps, float32 on the CPU; KL Optimal alone has
no zero. They agree with k-diffusion and the older UI to the last digit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

import torch
from scipy import special  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor

from webui.diffusion.curves import karras_curve
from webui.diffusion.prediction import Prediction
from webui.errors import InvalidRequest

Skip: TypeAlias = Literal["time_uniform", "time_quadratic", "logsnr"]
"""How UniPC spaces its own steps."""


@dataclass(frozen=True)
class ScheduleOptions:
    """What may be asked of a schedule; None leaves a value to the model or the schedule.

    Attributes:
        sigma_min: lowest sigma above zero.
        sigma_max: highest sigma.
        rho: curvature of karras (7) and polyexponential (1).
        discard_next_to_last: compute one sigma more and drop the one before zero.
        sgm_noise: scale noise alone by sqrt(1 + sigma^2), not by sigma.
        beta_alpha: first parameter of the beta distribution.
        beta_beta: second parameter of the beta distribution.
        skip: spacing of UniPC's own steps.
        family: name of the model family, for tables that were measured on one.
    """

    sigma_min: float | None = None
    sigma_max: float | None = None
    rho: float | None = None
    discard_next_to_last: bool = False
    sgm_noise: bool = False
    beta_alpha: float = 0.6
    beta_beta: float = 0.6
    skip: Skip = "time_uniform"
    family: str = "sd1"

    def bounds(self, prediction: Prediction) -> tuple[float, float]:
        """The lowest and highest sigma, from here or else from the model.

        Raises InvalidRequest where they leave nothing between them, or no such level exists.
        """
        low = prediction.sigma_min if self.sigma_min is None else self.sigma_min
        high = prediction.sigma_max if self.sigma_max is None else self.sigma_max
        if high > prediction.ceiling:
            sentence = f"The noise of this model ends at sigma {prediction.ceiling:g}."
            raise InvalidRequest("levels.sigma_max", sentence)
        if low >= high:
            field = "levels.sigma_min" if self.sigma_max is None else "levels.sigma_max"
            sentence = f"The lowest noise level, {low:g}, must be below the highest, {high:g}."
            raise InvalidRequest(field, sentence)
        return low, high


Build: TypeAlias = Callable[[int, Prediction, ScheduleOptions], Tensor]
"""`(steps, prediction, options) -> sigmas`."""

ALIGNED: Final = {
    "sd1": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    "sdxl": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
}
"""The published sigmas of Align Your Steps for 10 steps, by family."""


def uniform(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Even in training time, both ends of the table included; heeds no options."""
    return _then_zero(prediction.spaced(prediction.sigma_max, prediction.sigma_min, steps))


def karras(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Karras et al. 2022 (arXiv:2206.00364), equation 5."""
    return _then_zero(karras_curve(*options.bounds(prediction), steps, options.rho or 7.0))


def exponential(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Even in log sigma; ignores rho."""
    low, high = options.bounds(prediction)
    return _then_zero(torch.linspace(math.log(high), math.log(low), steps).exp())


def polyexponential(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Even in log sigma raised to rho; rho 1 is exponential."""
    low, high = options.bounds(prediction)
    ramp = torch.linspace(1, 0, steps) ** (options.rho or 1.0)
    return _then_zero((ramp * (math.log(high) - math.log(low)) + math.log(low)).exp())


def sgm_uniform(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Even in training time, the lowest level left out."""
    low, high = options.bounds(prediction)
    return _then_zero(prediction.spaced(high, low, steps + 1)[:-1])


def normal(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Even in training time, both ends included."""
    low, high = options.bounds(prediction)
    return _then_zero(prediction.spaced(high, low, steps))


def simple(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Entries of the table from its top, at a stride of its length over the steps."""
    table = prediction.sigmas
    stride = len(table) / steps
    return _then_zero(table[[len(table) - 1 - int(i * stride) for i in range(steps)]])


def ddim(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Every (length // steps)-th entry of the table from the second up; may be more than steps."""
    table = prediction.sigmas
    return _then_zero(table[1 :: max(len(table) // steps, 1)].flip(0))


def turbo(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """The last entry of each of `steps` even parts of the table, as turbo models were distilled."""
    table = prediction.sigmas
    ends = torch.arange(1, steps + 1) * (len(table) / steps) - 1
    return _then_zero(table[ends.round().long().clamp(0, len(table) - 1)].flip(0))


def beta(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Lee et al. 2024 (arXiv:2407.12173): quantiles of a beta distribution between the ends."""
    low, high = options.bounds(prediction)
    falling = (1 - torch.linspace(0, 1, steps, dtype=torch.float64)).numpy()
    inverse = cast(Any, special).betaincinv
    quantiles = torch.from_numpy(inverse(options.beta_alpha, options.beta_beta, falling))  # pyright: ignore[reportUnknownMemberType]
    return _then_zero((low + quantiles * (high - low)).float())


def kl_optimal(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Even in arctan sigma (the Align Your Steps paper, section 3.1); ends at the lowest level."""
    low, high = torch.tensor(options.bounds(prediction)).arctan()
    index = torch.arange(steps + 1) / steps
    return (index * low + (1 - index) * high).tan()


def align_your_steps(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Sabour et al. 2024 (arXiv:2404.14507): their table, read log-linearly at `steps` points.

    Families without a table have that of Stable Diffusion 1. Raises InvalidRequest for flows.
    """
    table = torch.tensor(ALIGNED.get(options.family, ALIGNED["sd1"]), dtype=torch.float64)
    if prediction.ceiling < table[0]:
        raise InvalidRequest(
            "sampling.schedule", "Align Your Steps has no noise levels for flow models."
        )
    place = torch.linspace(0, len(table) - 1, steps, dtype=torch.float64)
    low = place.floor().long().clamp(max=len(table) - 2)
    logs, weight = table.log(), place - low
    return _then_zero(((1 - weight) * logs[low] + weight * logs[low + 1]).exp().float())


def _then_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros(1)])
