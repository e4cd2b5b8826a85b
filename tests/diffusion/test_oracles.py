"""The schedulers of diffusers as a second opinion on solvers and sigmas."""

from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from tests.diffusion.fakes import Silence
from webui.diffusion.conditioning import Conditioning, ConditioningBatch
from webui.diffusion.denoiser import Guided, Residuals
from webui.diffusion.noise import Brownian, ImageNoise
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


def theirs(scheduler: Any, x: Tensor, steps: int | None = None, **drawn: Any) -> Tensor:
    for timestep in scheduler.timesteps[:steps]:
        x_in = scheduler.scale_model_input(x, timestep)
        x = scheduler.step(toy(x_in, timestep.float()), timestep, x, **drawn).prev_sample
    return x


class Drawn:
    """Noise from a generator like the one that a scheduler of diffusers is given."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(7)

    def step(self) -> Tensor:
        return torch.randn(1, 4, 8, 8, generator=self.generator)

    def brownian(self, sigma_min: float, sigma_max: float) -> Brownian:
        return lambda sigma, sigma_next: self.step()


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # in their set_timesteps
@pytest.mark.parametrize("karras", [False, True])
@pytest.mark.parametrize(
    ("name", "scheduler"),
    [
        ("lms", diffusers.LMSDiscreteScheduler),
        ("heun", diffusers.HeunDiscreteScheduler),
        ("dpm2", diffusers.KDPM2DiscreteScheduler),
        ("dpm2_a", diffusers.KDPM2AncestralDiscreteScheduler),
    ],
)
def test_solvers_of_k_diffusion_agree(
    sd: DiscretePrediction, samplers: dict[str, Sampler], noise: Tensor,
    name: str, scheduler: Any, karras: bool,
) -> None:  # fmt: skip
    scheduler = scheduler(**STABLE, use_karras_sigmas=karras)
    scheduler.set_timesteps(20)
    sigmas = scheduler.sigmas.unique().flip(0)  # theirs stand twice where there are two calls
    denoiser = Guided(network, sd, [Conditioning(torch.zeros(1, 1, 1))])
    x = noise * sigmas[0]
    end = samplers[name].sample(denoiser, x, sigmas, Drawn(), SamplerOptions())
    drawn = {"generator": Drawn().generator} if name == "dpm2_a" else {}
    assert torch.allclose(end, theirs(scheduler, x, **drawn), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "eta", "settings"),
    [
        ("dpmpp_2m_sde", 1, {"algorithm_type": "sde-dpmsolver++", "solver_type": "midpoint"}),
        ("dpmpp_2m_sde_heun", 1, {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"}),
        ("dpmpp_2m_sde_heun", 0, {"algorithm_type": "dpmsolver++", "solver_type": "heun"}),
        # Their third order with noise has a wrong sign in its last term, so without noise only.
        ("dpmpp_3m_sde", 0, {"algorithm_type": "dpmsolver++", "solver_order": 3}),
    ],
)
def test_multistep_solvers_with_noise_agree(
    sd: DiscretePrediction, samplers: dict[str, Sampler], noise: Tensor,
    name: str, eta: float, settings: dict[str, Any],
) -> None:  # fmt: skip
    scheduler = diffusers.DPMSolverMultistepScheduler(**STABLE, use_karras_sigmas=True, **settings)
    scheduler.set_timesteps(20)
    sigmas = scheduler.sigmas
    denoiser = Guided(network, sd, [Conditioning(torch.zeros(1, 1, 1))])
    options = SamplerOptions(eta=eta)
    end = samplers[name].sample(denoiser, noise * sd.unit(sigmas[0]), sigmas, Drawn(), options)
    # They round the timestep that the network is told.
    assert torch.allclose(end, theirs(scheduler, noise, generator=Drawn().generator), atol=5e-3)


def test_dpmpp_sde_agrees_along_the_same_brownian_path(
    sd: DiscretePrediction, samplers: dict[str, Sampler], noise: Tensor
) -> None:
    scheduler = diffusers.DPMSolverSDEScheduler(
        **STABLE, use_karras_sigmas=True, noise_sampler_seed=7
    )
    scheduler.set_timesteps(20)
    sigmas = scheduler.sigmas.unique().flip(0)
    denoiser = Guided(network, sd, [Conditioning(torch.zeros(1, 1, 1))])
    x = noise * sigmas[0]
    end = samplers["dpmpp_sde"].sample(
        denoiser, x, sigmas, ImageNoise([7], (4, 8, 8)), SamplerOptions()
    )
    assert torch.allclose(end, theirs(scheduler, x), atol=1e-3)


def test_plms_agrees_over_its_twenty_calls(
    sd: DiscretePrediction,
    samplers: dict[str, Sampler],
    schedules: dict[str, Schedule],
    silence: Silence,
    noise: Tensor,
) -> None:
    scheduler = diffusers.PNDMScheduler(**STABLE, steps_offset=1, skip_prk_steps=True)
    scheduler.set_timesteps(20)
    result, _ = ours(samplers["plms"], schedules["automatic"], sd, noise, silence)
    assert torch.allclose(result, theirs(scheduler, noise, 20), atol=1e-4)


def test_lcm_agrees(sd: DiscretePrediction, samplers: dict[str, Sampler], noise: Tensor) -> None:
    timesteps = [999, 759, 499, 259]
    scheduler = diffusers.LCMScheduler(**STABLE)
    scheduler.set_timesteps(timesteps=timesteps, original_inference_steps=50)
    prediction = samplers["lcm"].adapt(sd)
    sigmas = torch.cat([sd.sigmas[timesteps], torch.zeros(1)])
    denoiser = Guided(network, prediction, [Conditioning(torch.zeros(1, 1, 1))])
    x = noise * sd.unit(sigmas[0])
    end = samplers["lcm"].sample(denoiser, x, sigmas, Drawn(), SamplerOptions())
    assert torch.allclose(end, theirs(scheduler, noise, generator=Drawn().generator), atol=1e-3)


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


def test_flow_heun_agrees(samplers: dict[str, Sampler], silence: Silence, noise: Tensor) -> None:
    scheduler = diffusers.FlowMatchHeunDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(20)
    flow, sigmas = FlowPrediction(), scheduler.sigmas.unique().flip(0)
    denoiser = Guided(network, flow, [Conditioning(torch.zeros(1, 1, 1))])
    end = samplers["heun"].sample(denoiser, noise, sigmas, silence, SamplerOptions(space=flow))
    x = noise
    for timestep in scheduler.timesteps:
        x = scheduler.step(toy(x, timestep), timestep, x).prev_sample
    assert torch.allclose(end, x, atol=1e-4)


def test_flow_dpmpp_2m_agrees(
    samplers: dict[str, Sampler], silence: Silence, noise: Tensor
) -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    scheduler.set_timesteps(20)
    flow = FlowPrediction()
    denoiser = Guided(network, flow, [Conditioning(torch.zeros(1, 1, 1))])
    options = SamplerOptions(space=flow)
    end = samplers["dpmpp_2m"].sample(denoiser, noise, scheduler.sigmas, silence, options)
    # They round the timestep that the network is told.
    assert torch.allclose(end, theirs(scheduler, noise), atol=5e-3)
