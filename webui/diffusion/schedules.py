"""Schedules: the noise levels a sampler visits, and where in them a given picture starts.

A schedule's sigmas are float32 on the CPU, descending; n steps take n + 1 of them, the last being
0. The two that belong to samplers (DDIM, UniPC) end above zero, because those samplers stop at
the first training timestep; so does KL Optimal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from webui.diffusion.prediction import Prediction
from webui.diffusion.samplers.sampler import Sampler
from webui.diffusion.spacings import (
    Build,
    ScheduleOptions,
    align_your_steps,
    beta,
    ddim,
    exponential,
    karras,
    kl_optimal,
    normal,
    polyexponential,
    sgm_uniform,
    simple,
    turbo,
    uniform,
)
from webui.diffusion.timesteps import (
    resume_timesteps,
    resume_unipc_times,
    timesteps,
    unipc_times,
)
from webui.diffusion.trajectories import Trajectory, span_of

Resume: TypeAlias = Callable[[int, int, Prediction, ScheduleOptions], Trajectory]
"""`(steps, encode, prediction, options) -> trajectory`: image to image on timesteps."""


@dataclass(frozen=True)
class Schedule:
    """A named way to choose sigmas.

    Attributes:
        name: registry id, snake_case.
        label: what users call it; written to the infotext.
        build: the formula.
        aliases: other names it answers to.
        resume: for schedules that sampler-owned timesteps make, their own rule for image to
            image; None cuts the sigmas.
    """

    name: str
    label: str
    build: Build
    aliases: tuple[str, ...] = ()
    resume: Resume | None = None


def builtin_schedules() -> tuple[Schedule, ...]:
    """Every schedule that comes with the product, in the order they are offered."""
    return (
        Schedule("automatic", "Automatic", uniform),
        Schedule("uniform", "Uniform", uniform),
        Schedule("karras", "Karras", karras),
        Schedule("exponential", "Exponential", exponential),
        Schedule("polyexponential", "Polyexponential", polyexponential),
        Schedule("sgm_uniform", "SGM Uniform", sgm_uniform, ("SGMUniform",)),
        Schedule("kl_optimal", "KL Optimal", kl_optimal),
        Schedule("align_your_steps", "Align Your Steps", align_your_steps),
        Schedule("simple", "Simple", simple),
        Schedule("normal", "Normal", normal),
        Schedule("ddim", "DDIM", ddim),
        Schedule("beta", "Beta", beta),
        Schedule("turbo", "Turbo", turbo),
    )


def owned_schedules() -> tuple[Schedule, ...]:
    """The schedules that belong to one sampler and are not offered for choice."""
    return (
        Schedule("timesteps", "Timesteps", timesteps, resume=resume_timesteps),
        Schedule("time_uniform", "UniPC times", unipc_times, resume=resume_unipc_times),
    )


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
    unit_start = sampler.unit_start or (options is not None and options.sgm_noise)
    return Trajectory(sigmas, sigmas[0], span_of(sigmas), unit_start)


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
        return resume(total + discard, encode, adapted, options)
    sigmas = make_sigmas(sampler, schedule, total, prediction, options)
    # Tables shorter than a long schedule repeat entries, or run out before the place to start at.
    kept = _falling(sigmas[min(max(total - encode - 1, 0), len(sigmas) - 2) :])
    return Trajectory(kept, kept[0], span_of(sigmas), sampler.unit_start)


def _falling(sigmas: Tensor) -> Tensor:
    """Without the levels that equal the one before."""
    fresh = torch.ones(len(sigmas), dtype=torch.bool)
    fresh[1:] = sigmas[1:] != sigmas[:-1]
    return sigmas[fresh]


def count_steps(steps: int, strength: float, rule: StepRule) -> tuple[int, int]:
    """The length of the schedule, and how many of its steps lie after the one started at."""
    strength = min(strength, 0.999)
    if rule == "exact":
        return (int(steps / strength) if strength > 0 else 0), steps - 1
    return steps, int(strength * steps)
