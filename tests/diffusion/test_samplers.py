import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.diffusion.fakes import (
    MEAN,
    SPREAD,
    Counted,
    Silence,
    denoise_flow,
    denoise_gaussian,
)
from webui.diffusion.noise import ImageNoise
from webui.diffusion.prediction import DiscretePrediction, FlowPrediction
from webui.diffusion.samplers import Sampler, SamplerOptions
from webui.diffusion.schedules import Schedule, ScheduleOptions, full_trajectory, make_sigmas

Samplers = dict[str, Sampler]
Schedules = dict[str, Schedule]

SHAPE = (4, 8, 8)


def level(prediction: FlowPrediction | None, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of x at sigma; the ODE moves x along them."""
    alpha = torch.ones_like(sigma) if prediction is None else 1 - sigma
    return alpha * MEAN, (alpha**2 * SPREAD**2 + sigma**2) ** 0.5


def error(sampler: Sampler, sigmas: Tensor, silence: Silence, flow: FlowPrediction | None) -> float:
    """How far the sampler ends from the exact end of the probability flow ODE."""
    options = SamplerOptions(eta=0.0) if flow is None else SamplerOptions(eta=0.0, space=flow)
    mean, deviation = level(flow, sigmas)
    z = torch.linspace(-2, 2, 9, dtype=torch.float64).view(1, 1, 3, 3)
    denoiser = denoise_gaussian if flow is None else denoise_flow
    end = sampler.sample(denoiser, mean[0] + deviation[0] * z, sigmas, silence, options)
    if sampler.unit_start:
        end = end * options.space.unit(sigmas[-1])
    return (end - (mean[-1] + deviation[-1] * z)).abs().max().item()


def geometric(steps: int, high: float, low: float) -> Tensor:
    return torch.linspace(math.log(high), math.log(low), steps + 1, dtype=torch.float64).exp()


STEPS = (160, 320, 640, 1280)
ORDERS = {
    "euler": 1, "euler_a": 1, "ddim": 1, "ddim_cfgpp": 1, "heun": 2, "dpm2": 2, "dpm2_a": 2,
    "dpmpp_2s_a": 2, "dpmpp_2m": 2, "dpmpp_sde": 2, "dpmpp_2m_sde": 2, "dpmpp_2m_sde_heun": 2,
    "dpmpp_3m_sde": 2, "unipc": 2, "plms": 2,
}  # fmt: skip
"""Of the noise-free equation. Multistep solvers are as good as their first, low-order steps let
them be: DPM++ 3M SDE and UniPC are of third order in between, PLMS of fourth on even steps."""


def slope(errors: list[float], steps: tuple[int, ...] = STEPS) -> float:
    """The order of accuracy: how fast errors fall with steps, fitted in logarithms."""
    counts = torch.tensor(steps, dtype=torch.float64).log()
    counts, logs = counts - counts.mean(), torch.tensor(errors, dtype=torch.float64).log()
    return -float((counts * logs).sum() / (counts * counts).sum())


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_each_deterministic_solver_has_its_order_of_accuracy(
    sd: DiscretePrediction, samplers: Samplers, silence: Silence, name: str, order: int
) -> None:
    errors = [
        error(samplers[name], geometric(n, sd.sigma_max, sd.sigma_min), silence, None)
        for n in STEPS
    ]
    assert slope(errors) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize(("name", "order"), ({**ORDERS, "plms": 3}).items())
def test_the_orders_hold_for_flows(
    samplers: Samplers, silence: Silence, name: str, order: int
) -> None:
    flow, steps = FlowPrediction(), (256, 512)
    errors = [
        error(samplers[name], torch.linspace(0.95, 0.05, n + 1, dtype=torch.float64), silence, flow)
        for n in steps
    ]
    assert slope(errors, steps) == pytest.approx(order, abs=0.2)


def test_linear_multistep_is_better_than_heun_and_unipc_than_dpmpp_2m(
    sd: DiscretePrediction, samplers: Samplers, silence: Silence
) -> None:
    sigmas = geometric(256, sd.sigma_max, sd.sigma_min)
    for better, worse in (("lms", "heun"), ("unipc", "dpmpp_2m")):
        bound = error(samplers[worse], sigmas, silence, None) / 2
        assert error(samplers[better], sigmas, silence, None) < bound


@pytest.mark.parametrize(
    ("name", "calls"),
    [("euler", 5), ("euler_a", 5), ("lms", 5), ("heun", 9), ("dpm2", 9), ("dpm2_a", 9),
     ("dpmpp_2s_a", 9), ("dpmpp_2m", 5), ("dpmpp_sde", 9), ("dpmpp_2m_sde", 5),
     ("dpmpp_2m_sde_heun", 5), ("dpmpp_3m_sde", 5), ("dpm_fast", 5), ("restart", 9), ("ddim", 4),
     ("ddim_cfgpp", 4), ("plms", 5), ("unipc", 5), ("lcm", 5)],
)  # fmt: skip
def test_how_often_five_steps_call_the_network(
    sd: DiscretePrediction,
    samplers: Samplers,
    schedules: Schedules,
    counted: Counted,
    name: str,
    calls: int,
) -> None:
    trajectory = full_trajectory(samplers[name], schedules["automatic"], 5, sd)
    noise = ImageNoise([1], SHAPE)
    x = trajectory.begin(sd, noise.initial())
    result = samplers[name].sample(counted, x, trajectory.sigmas, noise, SamplerOptions())
    assert len(counted.sigmas) == calls
    assert result.isfinite().all()


TO_ZERO = (
    "euler", "euler_a", "lms", "heun", "dpm2", "dpm2_a", "dpmpp_2s_a", "dpmpp_2m", "dpmpp_sde",
    "dpmpp_2m_sde", "dpmpp_2m_sde_heun", "dpmpp_3m_sde", "dpm_fast", "restart", "lcm",
)  # fmt: skip


@pytest.mark.parametrize("name", TO_ZERO)
def test_a_step_to_zero_lands_on_the_estimate(
    samplers: Samplers, silence: Silence, name: str
) -> None:
    target, x = torch.randn(2, 1, *SHAPE)
    sigmas = torch.tensor([2.0, 0.0])
    end = samplers[name].sample(lambda x, s: target, x, sigmas, silence, SamplerOptions())
    assert torch.allclose(end, target, atol=1e-6)


@pytest.mark.parametrize("strange", [False, True])
def test_no_steps_leave_x_alone(
    samplers: Samplers, silence: Silence, counted: Counted, strange: bool
) -> None:
    x = torch.randn(1, *SHAPE)
    options = SamplerOptions(space=FlowPrediction()) if strange else SamplerOptions()
    for sampler in samplers.values():
        assert torch.equal(sampler.sample(counted, x, torch.zeros(1), silence, options), x)
    assert counted.sigmas == []


NOISY = (
    "euler_a", "dpm2_a", "dpmpp_2s_a", "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_2m_sde_heun",
    "dpmpp_3m_sde", "dpm_fast",
)  # fmt: skip


@pytest.mark.parametrize("name", [*NOISY, "lcm", "euler", "heun", "dpm2", "restart"])
@pytest.mark.parametrize("flow", [None, FlowPrediction(shift=3.0)])
def test_a_batch_is_sampled_as_its_images_alone(
    sd: DiscretePrediction,
    samplers: Samplers,
    schedules: Schedules,
    name: str,
    flow: FlowPrediction | None,
) -> None:
    prediction, denoiser = (sd, denoise_gaussian) if flow is None else (flow, denoise_flow)
    trajectory = full_trajectory(samplers[name], schedules["automatic"], 24, prediction)
    options = SamplerOptions(s_churn=2.0, space=prediction, noise_range=trajectory.span)

    def picture(*seeds: int) -> Tensor:
        noise = ImageNoise(seeds, SHAPE)
        x = trajectory.begin(prediction, noise.initial())
        return samplers[name].sample(denoiser, x, trajectory.sigmas, noise, options)

    batch = picture(4, 5)
    assert torch.equal(batch, torch.cat([picture(4), picture(5)]))
    assert batch.isfinite().all()


@pytest.mark.parametrize("name", [*NOISY, "dpm_adaptive", "restart"])
@pytest.mark.parametrize("flow", [None, FlowPrediction()])
def test_noise_keeps_the_distribution_of_the_data(
    samplers: Samplers, name: str, flow: FlowPrediction | None
) -> None:
    sampler, options = samplers[name], SamplerOptions(eta=1.0, space=flow or SamplerOptions().space)
    sigmas = geometric(60, 20, 0.02).float() if flow is None else torch.linspace(1, 0.02, 61)
    noise = ImageNoise([1], (4, 64, 64))
    mean, deviation = level(flow, sigmas)
    start = mean[0] + deviation[0] * noise.initial()
    denoiser = denoise_gaussian if flow is None else denoise_flow
    end = sampler.sample(denoiser, start, sigmas, noise, options)
    assert end.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert end.std().item() == pytest.approx(SPREAD, rel=0.06)


def test_churn_draws_noise_at_every_step_even_where_it_adds_none(samplers: Samplers) -> None:
    sigmas = torch.tensor([10.0, 5.0, 2.0, 0.0])
    x = torch.randn(1, *SHAPE)

    def run(s_tmin: float, s_tmax: float) -> Tensor:
        noise = ImageNoise([1], SHAPE)
        options = SamplerOptions(s_churn=1.0, s_tmin=s_tmin, s_tmax=s_tmax)
        samplers["euler"].sample(denoise_gaussian, x, sigmas, noise, options)
        return noise.step()

    assert torch.equal(run(0, math.inf), run(4, 6))


def test_churn_raises_the_noise_level_by_its_share(samplers: Samplers, counted: Counted) -> None:
    options = SamplerOptions(s_churn=1.0, s_tmin=4.0)
    sigmas = torch.tensor([10.0, 5.0, 2.0, 0.0])
    noise = ImageNoise([1], SHAPE)
    samplers["heun"].sample(counted, torch.randn(1, *SHAPE), sigmas, noise, options)
    assert counted.sigmas == pytest.approx([10 * 4 / 3, 5, 5 * 4 / 3, 2, 2])


def test_brownian_noise_spans_the_whole_schedule(samplers: Samplers) -> None:
    asked: list[tuple[float, float]] = []

    class Listening(ImageNoise):
        def brownian(
            self, sigma_min: float, sigma_max: float
        ) -> Callable[[Tensor, Tensor], Tensor]:
            asked.append((sigma_min, sigma_max))
            return super().brownian(sigma_min, sigma_max)

    sigmas, x = torch.tensor([5.0, 2.0, 0.0]), torch.randn(1, *SHAPE)
    for span in (None, (0.03, 14.6)):
        noise, options = Listening([1], SHAPE), SamplerOptions(noise_range=span)
        samplers["dpmpp_sde"].sample(denoise_gaussian, x, sigmas, noise, options)
    assert asked == [(2.0, 5.0), (0.03, 14.6)]


def test_lcm_tells_its_network_only_distillation_timesteps(
    sd: DiscretePrediction, samplers: Samplers
) -> None:
    adapted = samplers["lcm"].adapt(sd)
    assert samplers["lcm"].adapt(adapted) is adapted
    between = sd.sigma(torch.tensor(612.0))
    assert adapted.timestep(between).item() == 619
    x, output = torch.randn(2, 1, *SHAPE)
    plain = sd.denoised(output, x, between)
    assert torch.allclose(adapted.denoised(output, x, between), plain, atol=1e-5)


def test_every_name_is_given_once(samplers: Samplers) -> None:
    names = [n for s in samplers.values() for n in (s.name, s.label, *s.aliases)]
    assert len(names) == len(set(names))


def test_samplers_say_which_options_they_read(samplers: Samplers) -> None:
    fields = set(SamplerOptions.__dataclass_fields__)
    assert all(sampler.reads <= fields for sampler in samplers.values())
    assert samplers["euler"].reads == {"s_churn", "s_tmin", "s_tmax", "s_noise"}
    assert samplers["euler_a"].reads == {"eta"}
    assert samplers["dpmpp_sde"].reads == {"eta", "s_noise"}


@pytest.mark.parametrize("option", ["eta", "s_noise", "s_churn"])
def test_an_option_changes_exactly_the_samplers_that_read_it(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules, option: str
) -> None:
    def end(sampler: Sampler, **given: float) -> Tensor:
        trajectory = full_trajectory(sampler, schedules["automatic"], 8, sd)
        noise = ImageNoise([1], SHAPE)
        x = trajectory.begin(sd, noise.initial())
        options = SamplerOptions(**{"s_churn": 1.0, **given})  # pyright: ignore[reportArgumentType]
        return sampler.sample(denoise_gaussian, x, trajectory.sigmas, noise, options)

    for sampler in samplers.values():
        changed = not torch.equal(end(sampler), end(sampler, **{option: 0.5}))
        assert changed == (option in sampler.reads), sampler.name


def test_a_short_unipc_falls_back_to_lower_orders(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules, silence: Silence
) -> None:
    for steps in (1, 2):
        options = ScheduleOptions()
        sigmas = make_sigmas(samplers["unipc"], schedules["automatic"], steps, sd, options)
        x = torch.randn(1, *SHAPE) * sigmas[0]
        end = samplers["unipc"].sample(denoise_gaussian, x, sigmas, silence, SamplerOptions())
        assert end.isfinite().all()
