"""Fields and options of the older surface, and what of ours they are."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from webui.app.house import House
from webui.contract.fields import get
from webui.contract.request import GenerationRequest

Ask = Callable[..., GenerationRequest]


@pytest.fixture
def ask(client: TestClient, house: House) -> Ask:
    """The request that a body became."""

    def post(mode: str = "txt2img", **body: Any) -> GenerationRequest:
        small = {"width": 64, "height": 64, "steps": 2}
        answer = client.post(f"/sdapi/v1/{mode}", json={**small, **body})
        assert answer.status_code == 200, answer.text
        return house.jobs.list(1)[0].request

    return post


@pytest.mark.parametrize(
    ("option", "value", "path", "ours"),
    [
        ("eta_noise_seed_delta", 31337, "sampling.ensd", 31337),
        ("s_min_uncond", 1.5, "sampling.skip_negative_below", 1.5),
        ("s_min_uncond_all", True, "sampling.skip_negative_all_steps", True),
        ("skip_early_cond", 0.2, "sampling.skip_negative_until", 0.2),
        ("sigma_min", 0.1, "levels.sigma_min", 0.1),
        ("sigma_max", 10, "levels.sigma_max", 10.0),
        ("rho", 5, "levels.rho", 5.0),
        ("k_sched_type", "exponential", "sampling.schedule", "exponential"),
        ("k_sched_type", "Automatic", "sampling.schedule", "automatic"),
        ("always_discard_next_to_last_sigma", True, "levels.discard_next_to_last", True),
        ("sgm_noise_multiplier", True, "levels.sgm_noise_multiplier", True),
        ("sd_noise_schedule", "Zero Terminal SNR", "levels.zero_terminal_snr", True),
        ("sd_noise_schedule", "Default", "levels.zero_terminal_snr", False),
        ("use_downcasted_alpha_bar", True, "levels.downcast_alphas", True),
        ("beta_dist_alpha", 0.4, "levels.beta_alpha", 0.4),
        ("beta_dist_beta", 0.9, "levels.beta_beta", 0.9),
        ("uni_pc_variant", "vary_coeff", "unipc.variant", "vary_coeff"),
        ("uni_pc_skip_type", "logSNR", "unipc.skip_type", "logsnr"),
        ("uni_pc_order", 2, "unipc.order", 2),
        ("uni_pc_lower_order_final", False, "unipc.lower_order_final", False),
        ("emphasis", "No norm", "reading.emphasis", "no_norm"),
        ("enable_emphasis", False, "reading.emphasis", "none"),
        ("use_old_emphasis_implementation", True, "reading.old_emphasis", True),
        ("use_old_scheduling", True, "reading.old_editing", True),
        ("comma_padding_backtrack", 0, "reading.comma_backtrack", 0),
        ("pad_cond_uncond", True, "reading.pad_conds", True),
        ("pad_cond_uncond_v0", True, "reading.pad_conds_v0", True),
        ("tiling", True, "canvas.tiling", True),
        ("img2img_extra_noise", 0.1, "noise.extra", 0.1),
    ],
)
def test_an_older_option_is_a_field_of_the_request(
    ask: Ask, option: str, value: Any, path: str, ours: Any
) -> None:
    assert get(ask(override_settings={option: value}), path) == ours


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("img2img_fix_steps", "source.exact_steps"),
        ("img2img_color_correction", "source.color_correction"),
    ],
)
def test_an_option_about_the_source_counts_with_one(
    ask: Ask, photo64: str, option: str, path: str
) -> None:
    told = {"override_settings": {option: True}}
    assert ask(**told).source is None
    assert get(ask("img2img", init_images=[photo64], **told), path) is True


@pytest.mark.parametrize(
    ("body", "sampler", "schedule"),
    [
        ({"sampler_name": "DPM++ 2M"}, "dpmpp_2m", "uniform"),
        ({"sampler_name": "DPM++ 2M", "scheduler": "Automatic"}, "dpmpp_2m", "automatic"),
        ({"sampler_name": "DPM++ 2M Karras", "scheduler": "Automatic"}, "dpmpp_2m", "karras"),
        ({"sampler_name": "DDIM", "override_settings": {"k_sched_type": "karras"}},
         "ddim", "automatic"),
        ({"sampler_name": "DPM++ 2M Karras",
          "override_settings": {"k_sched_type": "exponential"}}, "dpmpp_2m", "exponential"),
    ],
)  # fmt: skip
def test_a_body_without_a_schedule_is_read_as_before_there_were_any(
    ask: Ask, body: dict[str, Any], sampler: str, schedule: str
) -> None:
    sampling = ask(**body).sampling
    assert (sampling.sampler, sampling.schedule) == (sampler, schedule)


@pytest.mark.parametrize(
    ("body", "sampler", "schedule"),
    [
        ({}, "", ""),
        ({"hr_sampler_name": "Euler"}, "euler", "automatic"),
        ({"hr_sampler_name": "DPM++ SDE"}, "dpmpp_sde", "uniform"),
        ({"hr_sampler_name": "Euler", "scheduler": "Karras"}, "euler", ""),
        ({"hr_sampler_name": "Euler", "hr_scheduler": "Exponential"}, "euler", "exponential"),
        ({"hr_sampler_name": "Use same sampler", "hr_scheduler": "Use same scheduler"}, "", ""),
    ],
)
def test_the_second_sampler_s_name_holds_its_schedule_too(
    ask: Ask, body: dict[str, Any], sampler: str, schedule: str
) -> None:
    hires = ask(sampler_name="DPM++ 2M Karras", enable_hr=True, **body).hires
    assert hires is not None
    assert (hires.sampler, hires.schedule) == (sampler, schedule)


def test_the_second_pass_may_have_its_own_guidance_and_checkpoint(ask: Ask) -> None:
    hires = ask(enable_hr=True, hr_cfg=4, hr_checkpoint_name="sketch").hires
    assert hires is not None
    assert (hires.cfg_scale, hires.checkpoint) == (4.0, "sketch.safetensors")


def test_a_refiner_is_asked_for_by_any_name_of_its_checkpoint(ask: Ask) -> None:
    options = {"refiner_switch_by_sample_steps": True, "hires_fix_refiner_pass": "both passes"}
    body = {"refiner_checkpoint": "ketch", "refiner_switch_at": 0.6, "override_settings": options}
    refiner = ask(**body).refiner
    assert refiner is not None
    assert (refiner.checkpoint, refiner.switch_at) == ("sketch.safetensors", 0.6)
    assert (refiner.by_sampling_steps, refiner.hires_pass) == (True, "both_passes")


@pytest.mark.parametrize("name", [None, "", "None", "none"])
def test_no_refiner_is_meant_by_none(ask: Ask, name: str | None) -> None:
    body = {"refiner_checkpoint": name, "refiner_switch_at": 0.6}
    assert ask(override_settings={"hires_fix_refiner_pass": "both passes"}, **body).refiner is None


def test_the_older_karras_range_is_for_karras_alone(ask: Ask) -> None:
    told = {"override_settings": {"use_old_karras_scheduler_sigmas": True}}
    levels = ask(sampler_name="DPM++ 2M Karras", **told).levels
    assert (levels.sigma_min, levels.sigma_max) == (0.1, 10.0)
    levels = ask(sampler_name="DPM++ 2M SDE Exponential", **told).levels
    assert (levels.sigma_min, levels.sigma_max) == (0.0, 0.0)


def test_sizes_of_the_oldest_hires_fix_are_computed(ask: Ask) -> None:
    told = {"override_settings": {"use_old_hires_fix_width_height": True}}
    request = ask(enable_hr=True, width=1024, height=768, **told)
    assert request.hires is not None
    assert (request.hires.width, request.hires.height) == (1024, 768)
    assert (request.canvas.width, request.canvas.height) == (640, 448)


def test_a_field_beats_its_option_but_churn_does_not(ask: Ask) -> None:
    options = {"eta_ancestral": 0.5, "s_churn": 3, "s_noise": 1}
    body = {"sampler_name": "Euler a", "eta": 0.7, "s_churn": 1, "s_noise": 1.05}
    sampling = ask(override_settings=options, **body).sampling
    assert (sampling.eta, sampling.s_churn, sampling.s_noise) == (0.7, 3.0, 1.05)


def test_the_eta_of_timestep_samplers_has_an_option_of_its_own(ask: Ask) -> None:
    options = {"eta_ancestral": 0.5, "eta_ddim": 0.25}
    assert ask(sampler_name="DDIM", override_settings=options).sampling.eta == 0.25
    assert ask(sampler_name="Euler a", override_settings=options).sampling.eta == 0.5
