import math

import pytest
import torch

from webui.contract import vocabulary
from webui.diffusion.prediction import DiscretePrediction, FlowPrediction
from webui.diffusion.samplers import Sampler
from webui.diffusion.schedules import (
    Schedule,
    ScheduleOptions,
    full_trajectory,
    img2img_sigmas,
    make_sigmas,
)

Samplers = dict[str, Sampler]
Schedules = dict[str, Schedule]
EXPLICIT = (
    "uniform", "karras", "exponential", "polyexponential", "sgm_uniform", "align_your_steps",
    "simple", "normal", "beta", "turbo",
)  # fmt: skip


def test_the_contract_offers_exactly_these_samplers_and_schedules(
    samplers: Samplers, schedules: Schedules
) -> None:
    for words, known in ((vocabulary.SAMPLERS, samplers), (vocabulary.SCHEDULES, schedules)):
        offered = [(word.id, word.label, tuple(word.aliases)) for word in words]
        assert offered == [(each.name, each.label, each.aliases) for each in known.values()]


@pytest.mark.parametrize("name", EXPLICIT)
@pytest.mark.parametrize("steps", [1, 5, 20])
def test_n_steps_are_n_falling_sigmas_and_a_zero(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules, name: str, steps: int
) -> None:
    sigmas = make_sigmas(samplers["euler"], schedules[name], steps, sd)
    assert len(sigmas) == steps + 1
    assert (sigmas.diff() < 0).all()
    assert sigmas[0].item() == pytest.approx(sd.sigma_max, rel=1e-4)
    assert sigmas[-1] == 0


def test_uniform_is_even_in_timesteps(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    sigmas = make_sigmas(samplers["euler"], schedules["uniform"], 4, sd)
    assert sd.timestep(sigmas[:-1]).tolist() == pytest.approx([999, 666, 333, 0], abs=1e-3)


def test_sgm_uniform_leaves_the_lowest_timestep_out(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    sigmas = make_sigmas(samplers["euler"], schedules["sgm_uniform"], 3, sd)
    assert sd.timestep(sigmas[:-1]).tolist() == pytest.approx([999, 666, 333], abs=1e-3)


def test_karras_follows_its_formula(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    sigmas = make_sigmas(samplers["euler"], schedules["karras"], 20, sd)
    low, high = sd.sigma_min ** (1 / 7), sd.sigma_max ** (1 / 7)
    expected = [(high + i / 19 * (low - high)) ** 7 for i in range(20)]
    assert sigmas.tolist() == pytest.approx([*expected, 0], rel=1e-5)


def test_exponential_is_even_in_log_sigma_and_deaf_to_rho(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    options = ScheduleOptions(sigma_min=0.1, sigma_max=10, rho=3)
    sigmas = make_sigmas(samplers["euler"], schedules["exponential"], 5, sd, options)
    assert sigmas[:-1].log10().tolist() == pytest.approx([1, 0.5, 0, -0.5, -1], abs=1e-6)


def test_polyexponential_bends_with_rho(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    options = ScheduleOptions(sigma_min=0.1, sigma_max=10, rho=2)
    sigmas = make_sigmas(samplers["euler"], schedules["polyexponential"], 3, sd, options)
    assert sigmas[:-1].log10().tolist() == pytest.approx([1, -0.5, -1], abs=1e-6)


def test_automatic_is_karras_for_dpmpp_and_uniform_for_euler(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    for name, meant in (
        ("dpmpp_2m", "karras"), ("dpmpp_sde", "karras"), ("euler", "uniform"), ("heun", "uniform"),
    ):  # fmt: skip
        automatic = make_sigmas(samplers[name], schedules["automatic"], 20, sd)
        assert torch.equal(automatic, make_sigmas(samplers[name], schedules[meant], 20, sd))


def test_automatic_is_sgm_uniform_for_flows(samplers: Samplers, schedules: Schedules) -> None:
    flow = FlowPrediction(shift=3.0)
    for sampler in samplers.values():
        sigmas = make_sigmas(sampler, schedules["automatic"], 4, flow)
        assert torch.equal(sigmas, make_sigmas(sampler, schedules["sgm_uniform"], 4, flow))
        assert (sigmas[0], sigmas[-1]) == (1, 0)


@pytest.mark.parametrize(("steps", "calls"), [(20, 19), (30, 30), (5, 4), (7, 7), (1, 0)])
def test_ddim_makes_one_call_fewer_than_it_has_timesteps(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules, steps: int, calls: int
) -> None:
    sigmas = make_sigmas(samplers["ddim"], schedules["karras"], steps, sd)  # karras is ignored
    expected = [min(t + 1, 999) for t in range(0, 1000, 1000 // steps)]
    assert len(sigmas) - 1 == calls
    assert torch.equal(sigmas, sd.sigmas[expected].flip(0))


def test_unipc_is_even_in_time_and_calls_once_per_ddim_timestep(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    sigmas = make_sigmas(samplers["unipc"], schedules["automatic"], 20, sd)
    expected = [999 * (1 - i / 20) for i in range(21)]
    assert sd.timestep(sigmas).tolist() == pytest.approx(expected, abs=0.06)
    assert len(make_sigmas(samplers["unipc"], schedules["automatic"], 30, sd)) == 32


def test_lcm_visits_the_50_timesteps_of_distillation(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    sigmas = make_sigmas(samplers["lcm"], schedules["automatic"], 50, sd)
    assert torch.allclose(sigmas[:-1], sd.sigmas[19::20].flip(0), rtol=1e-5)
    told = samplers["lcm"].adapt(sd).timestep(sigmas[:-1])
    assert told.tolist() == list(range(999, 0, -20))


def test_discarding_drops_the_sigma_before_zero(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    options = ScheduleOptions(discard_next_to_last=True)
    longer = make_sigmas(samplers["euler"], schedules["karras"], 6, sd)
    sigmas = make_sigmas(samplers["euler"], schedules["karras"], 5, sd, options)
    assert torch.equal(sigmas, torch.cat([longer[:-2], longer[-1:]]))
    spaced_for_6 = make_sigmas(samplers["ddim"], schedules["automatic"], 6, sd)
    ddim = make_sigmas(samplers["ddim"], schedules["automatic"], 5, sd, options)
    assert torch.equal(ddim, spaced_for_6)


@pytest.mark.parametrize(
    ("strength", "rule", "calls", "length"),
    [
        (0.75, "proportional", 16, 20),
        (0.75, "exact", 20, 26),
        (1.0, "proportional", 20, 20),
        (1.0, "exact", 20, 20),
        (0.04, "proportional", 1, 20),
        (0.5, "exact", 20, 40),
    ],
)
def test_img2img_runs_the_last_steps_of_the_schedule(
    sd: DiscretePrediction,
    samplers: Samplers,
    schedules: Schedules,
    strength: float,
    rule: str,
    calls: int,
    length: int,
) -> None:
    whole = make_sigmas(samplers["euler"], schedules["automatic"], length, sd)
    cut = img2img_sigmas(
        samplers["euler"], schedules["automatic"], 20, strength, sd, rule=rule  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    assert torch.equal(cut.sigmas, whole[length - calls :])
    assert cut.start == cut.sigmas[0]
    assert cut.span == (whole[-2].item(), whole[0].item())


@pytest.mark.parametrize("name", ["euler", "ddim", "unipc", "lcm"])
@pytest.mark.parametrize("rule", ["proportional", "exact"])
def test_strength_zero_runs_nothing_and_keeps_the_latent(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules, name: str, rule: str
) -> None:
    cut = img2img_sigmas(
        samplers[name], schedules["automatic"], 20, 0, sd, rule=rule  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    latent, noise = torch.randn(2, 1, 4, 8, 8)
    assert len(cut.sigmas) == 1
    assert torch.equal(cut.begin(sd, noise, latent), latent)


def test_the_older_single_step_at_strength_zero_is_there_for_the_asking(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    arguments = (samplers["euler"], schedules["automatic"], 20, 0.0, sd)
    assert len(img2img_sigmas(*arguments, zero_runs_one=True).sigmas) == 2
    assert len(img2img_sigmas(*arguments, rule="exact", zero_runs_one=True).sigmas) == 1


def test_ddim_img2img_starts_one_timestep_above_its_first_call(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    cut = img2img_sigmas(samplers["ddim"], schedules["automatic"], 20, 0.75, sd)
    timesteps = [50 * i + 1 for i in range(20)]
    assert torch.equal(cut.sigmas, sd.sigmas[timesteps[:15]].flip(0))  # 14 calls
    assert cut.start == sd.sigmas[timesteps[15]]
    latent, noise = torch.randn(2, 1, 4, 8, 8)
    alpha = sd.alphas_cumprod[timesteps[15]]
    expected = latent * alpha.sqrt() + noise * (1 - alpha).sqrt()
    x = cut.begin(sd, noise, latent) / sd.unit(cut.sigmas[0])
    assert torch.allclose(x, expected, atol=1e-6)


def test_unipc_img2img_makes_int_strength_times_steps_calls(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    cut = img2img_sigmas(samplers["unipc"], schedules["automatic"], 20, 0.75, sd)
    assert len(cut.sigmas) - 1 == 15
    assert cut.sigmas[0].item() == pytest.approx(sd.sigmas[701].item(), rel=1e-5)
    assert cut.start == sd.sigmas[751]


def test_text_to_image_starts_from_noise_times_sigma_or_of_unit_variance(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    noise = torch.randn(1, 4, 8, 8)
    euler = full_trajectory(samplers["euler"], schedules["automatic"], 20, sd)
    assert torch.equal(euler.begin(sd, noise), noise * euler.sigmas[0])
    ddim = full_trajectory(samplers["ddim"], schedules["automatic"], 20, sd)
    assert torch.allclose(ddim.begin(sd, noise) / sd.unit(ddim.sigmas[0]), noise)


def test_extra_noise_is_added_to_the_noisy_latent(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules
) -> None:
    latent, noise = torch.randn(2, 1, 4, 8, 8)
    cut = img2img_sigmas(samplers["euler"], schedules["automatic"], 20, 0.5, sd)
    x = cut.begin(sd, noise, latent, extra_noise=0.1)
    assert torch.allclose(x, latent + noise * (cut.start + 0.1), atol=1e-5)


def test_a_flow_starts_img2img_from_a_mixture(samplers: Samplers, schedules: Schedules) -> None:
    flow = FlowPrediction(shift=3.0)
    latent, noise = torch.randn(2, 1, 16, 8, 8)
    cut = img2img_sigmas(samplers["euler"], schedules["automatic"], 20, 0.5, flow)
    sigma = cut.start.item()
    assert 0 < sigma < 1
    expected = (1 - sigma) * latent + sigma * noise
    assert torch.allclose(cut.begin(flow, noise, latent), expected, atol=1e-6)
    assert math.isclose(sigma, cut.sigmas[0].item())
