"""Timesteps: the noise levels of samplers that choose their own, DDIM's and UniPC's.

They visit entries of the training table and end above zero, at the first of them.
"""

import torch
from torch import Tensor

from webui.diffusion.prediction import Prediction
from webui.diffusion.spacings import ScheduleOptions, Skip
from webui.diffusion.trajectories import Trajectory, span_of


def timesteps(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """DDIM's: every (1000 // steps)-th training timestep from 1; one call fewer than entries."""
    return prediction.sigmas[_strided(steps, prediction)].flip(0)


def unipc_times(steps: int, prediction: Prediction, options: ScheduleOptions) -> Tensor:
    """UniPC's: as many calls as `timesteps` has entries, spaced as `options.skip` says."""
    calls = len(_strided(steps, prediction))
    return _spread(prediction, len(prediction.sigmas) - 1, calls, options.skip)


def resume_timesteps(
    steps: int, encode: int, prediction: Prediction, options: ScheduleOptions
) -> Trajectory:
    """The first `encode` timesteps, from noise of the one above them."""
    visited = _strided(steps, prediction)
    sigmas = prediction.sigmas[visited]
    start = sigmas[min(encode, len(sigmas) - 1)]
    return Trajectory(sigmas[: max(encode, 1)].flip(0), start, span_of(sigmas), unit_start=True)


def resume_unipc_times(
    steps: int, encode: int, prediction: Prediction, options: ScheduleOptions
) -> Trajectory:
    """`encode` steps from the timestep below the one whose noise is added."""
    visited = _strided(steps, prediction)
    start = prediction.sigmas[visited[min(encode, len(visited) - 1)]]
    sigmas = _spread(prediction, int(visited[max(encode, 1) - 1]), encode, options.skip)
    return Trajectory(sigmas, start, span_of(prediction.sigmas), unit_start=True)


def _strided(steps: int, prediction: Prediction) -> Tensor:
    total = len(prediction.sigmas)
    return (torch.arange(0, total, max(total // steps, 1)) + 1).clamp(max=total - 1)


def _spread(prediction: Prediction, last: int, count: int, skip: Skip) -> Tensor:
    """`count` + 1 sigmas from the table's entry `last` to its first.

    Between entries log alpha is linear, as in the noise schedule of DPM-Solver, whose time is
    the index counted from 1.
    """
    log_alphas = -0.5 * torch.log1p(prediction.sigmas.double() ** 2)
    if skip == "logsnr":
        ends = prediction.sigmas.double().log()
        return torch.linspace(ends[last], ends[0], count + 1, dtype=torch.float64).exp().float()
    power = 2 if skip == "time_quadratic" else 1
    time = torch.linspace((last + 1) ** (1 / power), 1, count + 1, dtype=torch.float64) ** power
    index = (time - 1).clamp(0, last)
    weight = index.frac()
    between = (1 - weight) * log_alphas[index.floor().long()]
    between = between + weight * log_alphas[index.ceil().long()]
    return torch.expm1(-2 * between).sqrt().float()
