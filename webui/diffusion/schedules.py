"""Schedules: the noise levels a sampler visits, and where in them a given picture starts.

A schedule's sigmas are float32 on the CPU, descending; n steps take n + 1 of them, the last being
0. The two that belong to samplers (DDIM, UniPC) end above zero, because those samplers stop at
the first training timestep. Formulas follow k-diffusion and the older UI to the last digit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from webui.diffusion.prediction import Prediction
from webui.diffusion.samplers.sampler import Sampler


@dataclass(frozen=True)
class ScheduleOptions:
    """What may be asked of a schedule; None leaves a value to the model or the schedule.

    Attributes:
        sigma_min: lowest sigma above zero.
        sigma_max: highest sigma.
        rho: curvature of karras (7) and polyexponential (1).
        discard_next_to_last: compute one sigma more and drop the one before zero.
    """

    sigma_min: float | None = None
    sigma_max: float | None = None
    rho: float | None = None
    discard_next_to_last: bool = False

    def bounds(self, prediction: Prediction) -> tuple[float, float]:
        """The lowest and highest sigma, from here or else from the model."""
        low = prediction.sigma_min if self.sigma_min is None else self.sigma_min
        high = prediction.sigma_max if self.sigma_max is None else self.sigma_max
        return low, high


Build: TypeAlias = Callable[[int, Prediction, ScheduleOptions], Tensor]
"""`(steps, prediction, options) -> sigmas`."""


@dataclass(frozen=True)
class Schedule:
    """A named way to choose sigmas.

    Attributes:
        name: registry id, snake_case.
        label: what users call it; written to the infotext.
        build: the formula.
        aliases: other names it answers to.
        resume: for schedules that sampler-owned timesteps make, their own rule for image to
            image: `(steps, encode, prediction) -> trajectory`; None cuts the sigmas.
    """

    name: str
    label: str
    build: Build
    aliases: tuple[str, ...] = ()
    resume: "Callable[[int, int, Prediction], Trajectory] | None" = None


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The noise levels of one pass, and how its first x is made.

    Attributes:
        sigmas: (n + 1,) for n steps, for `Sampler.sample`.
        start: 0-d, the level to which a latent is made noisy; it may be above sigmas[0].
        span: lowest positive and highest sigma of the whole schedule, before any cut; goes to
            `SamplerOptions.noise_range`.
        unit_start: whether x is exact in variance-preserving scale (`Sampler.unit_start`).
    """

    sigmas: Tensor
    start: Tensor
    span: tuple[float, float]
    unit_start: bool = False

    def begin(
        self,
        prediction: Prediction,
        noise: Tensor,
        latent: Tensor | None = None,
        extra_noise: float = 0.0,
    ) -> Tensor:
        """The x to sample from: noise (B, C, H, W), or a latent of that shape made noisy.

        `extra_noise` is added on top of a latent's noise, in units of the clean latent.
        """
        if latent is None:
            unit = prediction.unit(self.start)
            return noise * unit if self.unit_start else prediction.start(None, noise, self.start)
        x = latent if self.start == 0 else prediction.start(latent, noise, self.start)
        if extra_noise != 0:
            x = x + noise * (extra_noise * prediction.alpha(self.start))
        if self.unit_start:
            x = x * (prediction.unit(self.sigmas[0]) / prediction.unit(self.start))
        return x


def builtin_schedules() -> tuple[Schedule, ...]:
    """Every schedule that comes with the product, in the order they are offered."""
    return (
        Schedule("automatic", "Automatic", uniform),
        Schedule("uniform", "Uniform", uniform),
        Schedule("karras", "Karras", karras),
        Schedule("exponential", "Exponential", exponential),
        Schedule("polyexponential", "Polyexponential", polyexponential),
        Schedule("sgm_uniform", "SGM Uniform", sgm_uniform, ("SGMUniform",)),
    )


def owned_schedules() -> tuple[Schedule, ...]:
    """The schedules that belong to one sampler and are not offered for choice."""
    return (
        Schedule("timesteps", "Timesteps", timesteps, resume=_resume_timesteps),
        Schedule("time_uniform", "Time uniform", time_uniform, resume=_resume_time_uniform),
    )


def uniform(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Even in training time, both ends of the table included; heeds no options."""
    return _then_zero(prediction.spaced(prediction.sigma_max, prediction.sigma_min, steps))


def karras(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """Karras et al. 2022 (arXiv:2206.00364), equation 5."""
    low, high = options.bounds(prediction)
    rho = options.rho or 7.0
    low_root, high_root = low ** (1 / rho), high ** (1 / rho)
    ramp = torch.linspace(0, 1, steps)
    return _then_zero((high_root + ramp * (low_root - high_root)) ** rho)


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


def timesteps(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """DDIM's: every (1000 // steps)-th training timestep from 1; one call fewer than entries."""
    return prediction.sigmas[_strided(steps, prediction)].flip(0)


def time_uniform(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """UniPC's: as many calls as `timesteps` has entries, even in time from the last to the first.

    Between table entries log alpha is linear, as in the noise schedule of DPM-Solver.
    """
    calls = len(_strided(steps, prediction))
    return _evenly_timed(prediction, len(prediction.sigmas) - 1, calls)


def _resume_timesteps(steps: int, encode: int, prediction: Prediction) -> Trajectory:
    """The first `encode` timesteps, from noise of the one above them."""
    visited = _strided(steps, prediction)
    sigmas = prediction.sigmas[visited]
    start = sigmas[min(encode, len(sigmas) - 1)]
    return Trajectory(sigmas[: max(encode, 1)].flip(0), start, _span(sigmas), unit_start=True)


def _resume_time_uniform(steps: int, encode: int, prediction: Prediction) -> Trajectory:
    """`encode` steps, even in time from the timestep below the one whose noise is added."""
    visited = _strided(steps, prediction)
    start = prediction.sigmas[visited[min(encode, len(visited) - 1)]]
    sigmas = _evenly_timed(prediction, int(visited[max(encode, 1) - 1]), encode)
    return Trajectory(sigmas, start, _span(prediction.sigmas), unit_start=True)


def _strided(steps: int, prediction: Prediction) -> Tensor:
    total = len(prediction.sigmas)
    return (torch.arange(0, total, max(total // steps, 1)) + 1).clamp(max=total - 1)


def _evenly_timed(prediction: Prediction, last: int, count: int) -> Tensor:
    index = torch.linspace(last, 0, count + 1, dtype=torch.float64)
    log_alphas = -0.5 * torch.log1p(prediction.sigmas.double() ** 2)
    weight = index.frac()
    between = (1 - weight) * log_alphas[index.floor().long()]
    between = between + weight * log_alphas[index.ceil().long()]
    return torch.expm1(-2 * between).sqrt().float()


def _then_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def _span(sigmas: Tensor) -> tuple[float, float]:
    positive = sigmas[sigmas > 0]
    return (positive.min().item(), positive.max().item()) if len(positive) else (0.0, 0.0)


def resolve(sampler: Sampler, schedule: Schedule, prediction: Prediction) -> Schedule:
    """The schedule that will run: what "Automatic" means here, or a sampler's own.

    Flow predictions have a schedule of their own for "Automatic", whatever the sampler.
    """
    chosen = schedule.name != "automatic"
    wanted = prediction.preferred_schedule
    if wanted is None:
        if chosen and not sampler.owns_schedule:
            return schedule
        wanted = sampler.automatic
    elif chosen:
        return schedule
    return next(
        known for known in (*builtin_schedules(), *owned_schedules()) if known.name == wanted
    )


def make_sigmas(
    sampler: Sampler,
    schedule: Schedule,
    steps: int,
    prediction: Prediction,
    options: ScheduleOptions | None = None,
) -> Tensor:
    """The sigmas of `steps` steps from full noise, (steps + 1,) descending.

    They end in 0, except for a sampler's own timesteps. 0 steps give the single sigma 0.
    """
    options = options or ScheduleOptions()
    prediction = sampler.adapt(prediction)
    schedule = resolve(sampler, schedule, prediction)
    if steps <= 0:
        return torch.zeros(1)
    discard = options.discard_next_to_last or sampler.discard_next_to_last
    sigmas = schedule.build(steps + discard, prediction, options)
    if discard and schedule.resume is None:
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    return sigmas


def full_trajectory(
    sampler: Sampler,
    schedule: Schedule,
    steps: int,
    prediction: Prediction,
    options: ScheduleOptions | None = None,
) -> Trajectory:
    """The trajectory of text to image: all the sigmas, from noise alone."""
    sigmas = make_sigmas(sampler, schedule, steps, prediction, options)
    return Trajectory(sigmas, sigmas[0], _span(sigmas), sampler.unit_start)


StepRule: TypeAlias = Literal["proportional", "exact"]
"""How image to image counts: steps in proportion to strength, or exactly the number asked for."""


def img2img_sigmas(
    sampler: Sampler,
    schedule: Schedule,
    steps: int,
    strength: float,
    prediction: Prediction,
    options: ScheduleOptions | None = None,
    rule: StepRule = "proportional",
    zero_runs_one: bool = False,
) -> Trajectory:
    """The trajectory of image to image at a denoising strength in [0, 1].

    By default int(min(strength, 0.999) * steps) + 1 of `steps` steps are run; "exact" runs
    `steps` steps at the end of a schedule of int(steps / min(strength, 0.999)), as the hires pass
    always does. Samplers with timesteps of their own run as theirs say. Strength 0 leaves the
    latent alone; `zero_runs_one` brings back the older UI's single step for the default rule.
    """
    if strength <= 0 and not (zero_runs_one and rule == "proportional"):
        return Trajectory(torch.zeros(1), torch.zeros(()), (0.0, 0.0))
    options = options or ScheduleOptions()
    total, encode = count_steps(steps, strength, rule)
    adapted = sampler.adapt(prediction)
    resume = resolve(sampler, schedule, adapted).resume
    if resume is not None:
        discard = options.discard_next_to_last or sampler.discard_next_to_last
        return resume(total + discard, encode, adapted)
    sigmas = make_sigmas(sampler, schedule, total, prediction, options)
    kept = sigmas[max(total - encode - 1, 0) :]
    return Trajectory(kept, kept[0], _span(sigmas), sampler.unit_start)


def count_steps(steps: int, strength: float, rule: StepRule) -> tuple[int, int]:
    """The length of the schedule, and how many of its steps lie after the one started at."""
    strength = min(strength, 0.999)
    if rule == "exact":
        return (int(steps / strength) if strength > 0 else 0), steps - 1
    return steps, int(strength * steps)
