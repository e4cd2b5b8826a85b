"""The schedulers of diffusers as a second opinion on solvers and sigmas."""

from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from tests.diffusion.fakes import Silence
from webui.diffusion.conditioning import Conditioning, ConditioningBatch
from webui.diffusion.denoiser import Guided, Residuals
from webui.diffusion.prediction import DiscretePrediction, FlowPrediction, Prediction
from webui.diffusion.samplers import Sampler, SamplerOptions
from webui.diffusion.schedules import Schedule, full_trajectory

STABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def toy(x_in: Tensor, timestep: Tensor) -> Tensor:
    """A smooth network that answers differently at each timestep."""
    return 0.8 * x_in + 0.3 * torch.sin(2 * x_in + timestep.view(-1, 1, 1, 1) / 200)


def network(
    x_in: Tensor, timestep: Tensor, batch: ConditioningBatch, residuals: Residuals | None = None
) -> Tensor:
    return toy(x_in, timestep)


def ours(
    sampler: Sampler, schedule: Schedule, prediction: Prediction, noise: Tensor, silence: Silence
) -> tuple[Tensor, Tensor]:
    denoiser = Guided(network, prediction, [Conditioning(torch.zeros(1, 1, 1))])
    trajectory = full_trajectory(sampler, schedule, 20, prediction)
    x = trajectory.begin(prediction, noise)
    options = SamplerOptions(space=prediction)
    return sampler.sample(denoiser, x, trajectory.sigmas, silence, options), trajectory.sigmas


def theirs(scheduler: Any, x: Tensor, steps: int) -> Tensor:
    for timestep in scheduler.timesteps[:steps]:
        x_in = scheduler.scale_model_input(x, timestep)
        x = scheduler.step(toy(x_in, timestep.float()), timestep, x).prev_sample
    return x


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("karras", [False, True])
def test_euler_agrees(
    sd: DiscretePrediction,
    samplers: dict[str, Sampler],
    schedules: dict[str, Schedule],
    silence: Silence,
    noise: Tensor,
    karras: bool,
) -> None:
    scheduler = diffusers.EulerDiscreteScheduler(**STABLE, use_karras_sigmas=karras)
    scheduler.set_timesteps(20)
    schedule = schedules["karras" if karras else "automatic"]
    result, sigmas = ours(samplers["euler"], schedule, sd, noise, silence)
    assert torch.allclose(sigmas, scheduler.sigmas, atol=1e-4)
    assert torch.allclose(result, theirs(scheduler, noise * sigmas[0], 20), atol=1e-4)


def test_dpmpp_2m_agrees(
    sd: DiscretePrediction,
    samplers: dict[str, Sampler],
    schedules: dict[str, Schedule],
    silence: Silence,
    noise: Tensor,
) -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **STABLE, use_karras_sigmas=True, final_sigmas_type="zero"
    )
    scheduler.set_timesteps(20)
    result, sigmas = ours(samplers["dpmpp_2m"], schedules["automatic"], sd, noise, silence)
    assert torch.allclose(sigmas, scheduler.sigmas, rtol=1e-4)
    x_vp = noise * sigmas[0] / sd.unit(sigmas[0])
    # They round the timestep that the network is told.
    assert torch.allclose(result, theirs(scheduler, x_vp, 20), atol=2e-3)


def test_ddim_agrees_over_its_nineteen_steps(
    sd: DiscretePrediction,
    samplers: dict[str, Sampler],
    schedules: dict[str, Schedule],
    silence: Silence,
    noise: Tensor,
) -> None:
    scheduler = diffusers.DDIMScheduler(
        **STABLE, steps_offset=1, clip_sample=False, set_alpha_to_one=False
    )
    scheduler.set_timesteps(20)
    result, _ = ours(samplers["ddim"], schedules["automatic"], sd, noise, silence)
    assert torch.allclose(result, theirs(scheduler, noise, 19), atol=1e-4)


def test_unipc_agrees(
    sd: DiscretePrediction, samplers: dict[str, Sampler], silence: Silence, noise: Tensor
) -> None:
    scheduler = diffusers.UniPCMultistepScheduler(
        **STABLE, solver_order=3, solver_type="bh1", use_karras_sigmas=True,
        final_sigmas_type="sigma_min",
    )  # fmt: skip
    scheduler.set_timesteps(20)
    sigmas = scheduler.sigmas  # theirs, so that only the solver is compared
    denoiser = Guided(network, sd, [Conditioning(torch.zeros(1, 1, 1))])
    x = noise * sd.unit(sigmas[0])
    result = samplers["unipc"].sample(denoiser, x, sigmas, silence, SamplerOptions())
    # They round the timestep that the network is told.
    assert torch.allclose(result, theirs(scheduler, noise, 20), atol=2e-3)


def test_flow_euler_agrees(
    samplers: dict[str, Sampler], schedules: dict[str, Schedule], silence: Silence, noise: Tensor
) -> None:
    flow = FlowPrediction(shift=3.0)
    result, sigmas = ours(samplers["euler"], schedules["automatic"], flow, noise, silence)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)
    scheduler.set_timesteps(sigmas=sigmas[:-1].tolist())
    x = noise
    for timestep in scheduler.timesteps:
        x = scheduler.step(toy(x, timestep), timestep, x).prev_sample
    assert torch.allclose(result, x, atol=1e-5)
