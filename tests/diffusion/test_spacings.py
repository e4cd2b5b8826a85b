"""The schedules' formulas, written out again from their definitions, and against diffusers."""

import math

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler
from scipy import stats

from webui.diffusion.prediction import DiscretePrediction, FlowPrediction
from webui.diffusion.samplers import Sampler
from webui.diffusion.schedules import (
    Schedule,
    ScheduleOptions,
    full_trajectory,
    img2img_sigmas,
    make_sigmas,
)
from webui.errors import InvalidRequest

Samplers = dict[str, Sampler]
Schedules = dict[str, Schedule]
SD1 = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029]
SDXL = [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029]


def of(
    schedules: Schedules,
    name: str,
    steps: int,
    prediction: DiscretePrediction | FlowPrediction,
    **options: object,
) -> list[float]:
    asked = ScheduleOptions(**options)  # pyright: ignore[reportArgumentType]
    return schedules[name].build(steps, prediction, asked).tolist()


@pytest.mark.parametrize("steps", [1, 4, 20, 150])
def test_simple_takes_table_entries_from_the_top(
    sd: DiscretePrediction, schedules: Schedules, steps: int
) -> None:
    expected = [sd.sigmas[-(1 + int(i * (1000 / steps)))].item() for i in range(steps)]
    assert of(schedules, "simple", steps, sd) == [*expected, 0]


@pytest.mark.parametrize("steps", [4, 20])
def test_normal_is_even_in_time_between_the_asked_ends(
    sd: DiscretePrediction, schedules: Schedules, steps: int
) -> None:
    ends = sd.timestep(torch.tensor([10.0, 0.1]))
    expected = sd.sigma(torch.linspace(ends[0].item(), ends[1].item(), steps)).tolist()
    asked = of(schedules, "normal", steps, sd, sigma_min=0.1, sigma_max=10.0)
    assert asked == pytest.approx([*expected, 0])
    assert asked[0] == pytest.approx(10, rel=1e-5)
    assert of(schedules, "normal", steps, sd) == of(schedules, "uniform", steps, sd)


@pytest.mark.parametrize(("steps", "entries"), [(20, 20), (30, 31), (7, 8), (1, 1)])
def test_ddim_takes_every_nth_entry_from_the_second(
    sd: DiscretePrediction, schedules: Schedules, steps: int, entries: int
) -> None:
    sigmas = of(schedules, "ddim", steps, sd)
    expected = [sd.sigmas[i].item() for i in range(1, 1000, 1000 // steps)]
    assert sigmas == [*reversed(expected), 0]
    assert len(sigmas) == entries + 1


@pytest.mark.parametrize(("alpha", "beta"), [(0.6, 0.6), (0.3, 0.9)])
def test_beta_takes_quantiles_of_the_distribution(
    sd: DiscretePrediction, schedules: Schedules, alpha: float, beta: float
) -> None:
    low, high = sd.sigma_min, sd.sigma_max
    shares = stats.beta.ppf(1 - np.linspace(0, 1, 12), alpha, beta)
    sigmas = of(schedules, "beta", 12, sd, beta_alpha=alpha, beta_beta=beta)
    assert sigmas == pytest.approx([*(low + shares * (high - low)), 0], rel=1e-5)


def test_beta_is_what_diffusers_calls_beta(sd: DiscretePrediction, schedules: Schedules) -> None:
    theirs = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", use_beta_sigmas=True
    )
    theirs.set_timesteps(1000)
    # they take their ends from the spaced table, which at full length is ours
    assert of(schedules, "beta", 1000, sd) == pytest.approx(theirs.sigmas.tolist(), rel=1e-3)


@pytest.mark.parametrize(("name", "flag"), [("karras", "karras"), ("exponential", "exponential")])
def test_karras_and_exponential_are_what_diffusers_calls_so(
    sd: DiscretePrediction, schedules: Schedules, name: str, flag: str
) -> None:
    theirs = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="linspace",
        **{f"use_{flag}_sigmas": True},
    )
    theirs.set_timesteps(20)
    assert of(schedules, name, 20, sd) == pytest.approx(theirs.sigmas.tolist(), rel=1e-4)


def test_turbo_takes_the_end_of_each_part(sd: DiscretePrediction, schedules: Schedules) -> None:
    assert of(schedules, "turbo", 4, sd) == [
        *(sd.sigmas[i].item() for i in (999, 749, 499, 249)),
        0,
    ]
    parts = [round((i + 1) * 1000 / 7 - 1) for i in range(7)]
    assert of(schedules, "turbo", 7, sd)[:-1] == sd.sigmas[parts].flip(0).tolist()


@pytest.mark.parametrize("steps", [1, 6, 20])
def test_kl_optimal_is_even_in_arctan_and_does_not_end_in_zero(
    sd: DiscretePrediction, schedules: Schedules, steps: int
) -> None:
    low, high = math.atan(sd.sigma_min), math.atan(sd.sigma_max)
    shares = [i / steps for i in range(steps + 1)]
    expected = [math.tan(share * low + (1 - share) * high) for share in shares]
    assert of(schedules, "kl_optimal", steps, sd) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("family", "table"), [("sd1", SD1), ("sdxl", SDXL), ("sd2", SD1)])
def test_align_your_steps_is_the_table_read_log_linearly(
    sd: DiscretePrediction, schedules: Schedules, family: str, table: list[float]
) -> None:
    given = of(schedules, "align_your_steps", 11, sd, family=family)
    assert given == pytest.approx([*table, 0], rel=1e-6)
    places = np.linspace(0, 1, 11)
    for steps in (5, 20, 33):
        logs = np.interp(np.linspace(0, 1, steps), places, np.log(table[::-1]))
        sigmas = of(schedules, "align_your_steps", steps, sd, family=family)
        assert sigmas == pytest.approx([*np.exp(logs)[::-1], 0], rel=1e-6)


def test_align_your_steps_has_nothing_for_flows(schedules: Schedules) -> None:
    with pytest.raises(InvalidRequest, match="flow"):
        of(schedules, "align_your_steps", 5, FlowPrediction())


@pytest.mark.parametrize(
    "name", ["karras", "exponential", "polyexponential", "sgm_uniform", "normal", "beta",
             "kl_optimal"],
)  # fmt: skip
def test_ends_can_be_asked_for(sd: DiscretePrediction, schedules: Schedules, name: str) -> None:
    sigmas = of(schedules, name, 10, sd, sigma_min=0.1, sigma_max=10.0)
    positive = [sigma for sigma in sigmas if sigma > 0]
    assert positive[0] == pytest.approx(10, rel=1e-4)
    assert positive[-1] >= 0.1 - 1e-4
    if name != "sgm_uniform":
        assert positive[-1] == pytest.approx(0.1, rel=1e-3)


def test_ends_that_leave_nothing_between_them_are_refused_by_name(
    sd: DiscretePrediction, schedules: Schedules
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        of(schedules, "karras", 10, sd, sigma_max=0.01)
    assert caught.value.field == "levels.sigma_max"
    with pytest.raises(InvalidRequest) as caught:
        of(schedules, "karras", 10, FlowPrediction(), sigma_max=14.0)
    assert caught.value.field == "levels.sigma_max"


def test_sgm_noise_has_the_variance_of_noisy_data(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    noise, asked = torch.randn(1, 4, 8, 8), ScheduleOptions(sgm_noise=True)
    trajectory = full_trajectory(samplers["euler"], schedules["karras"], 5, sd, asked)
    expected = noise * (1 + trajectory.sigmas[0] ** 2) ** 0.5
    assert torch.allclose(trajectory.begin(sd, noise), expected)
    cut = img2img_sigmas(samplers["euler"], schedules["karras"], 5, 0.5, sd, asked)
    latent = torch.randn(1, 4, 8, 8)
    assert torch.equal(cut.begin(sd, noise, latent), latent + noise * cut.start)


@pytest.mark.parametrize("name", ["simple", "ddim", "beta", "turbo", "karras", "kl_optimal"])
def test_a_schedule_far_longer_than_the_table_still_falls(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules, name: str
) -> None:
    cut = img2img_sigmas(samplers["euler"], schedules[name], 30, 0.01, sd, rule="exact")
    assert 2 <= len(cut.sigmas) <= 31
    assert (cut.sigmas.diff() < 0).all()


@pytest.mark.parametrize("skip", ["time_uniform", "time_quadratic", "logsnr"])
def test_unipc_spaces_its_steps_as_asked(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules, skip: str
) -> None:
    asked = ScheduleOptions(skip=skip)  # pyright: ignore[reportArgumentType]
    sigmas = make_sigmas(samplers["unipc"], schedules["automatic"], 10, sd, asked)
    assert len(sigmas) == 11
    assert sigmas[0].item() == pytest.approx(sd.sigma_max, rel=1e-5)
    assert sigmas[-1].item() == pytest.approx(sd.sigma_min, rel=1e-5)
    if skip == "logsnr":
        steps = sigmas.log().diff()
        assert torch.allclose(steps, steps.mean().expand(10), atol=1e-4)
    else:
        root = 2 if skip == "time_quadratic" else 1
        times = ((sd.timestep(sigmas) + 1) / 1000) ** (1 / root)
        assert times.diff().std() < 2e-4
    cut = img2img_sigmas(samplers["unipc"], schedules["automatic"], 10, 0.75, sd, asked)
    assert len(cut.sigmas) == 8
    assert (cut.sigmas.diff() < 0).all()
