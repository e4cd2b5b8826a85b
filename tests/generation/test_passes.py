"""What a pass is asked reaches the picture: words, noise levels, noise, the second pass."""

from typing import Any

import numpy as np
import pytest

from tests.generation.conftest import Studio, pictures
from webui.contract.request import Blob

Values = dict[str, Any]
HIRES: Values = {"hires.scale": 1.5, "hires.steps": 2, "sampling.sampler": "euler"}
ANCESTRAL: Values = {"sampling.sampler": "euler_a"}
KARRAS: Values = {"sampling.sampler": "euler", "sampling.schedule": "karras"}


def same(studio: Studio, one: Values, other: Values) -> bool:
    return np.array_equal(studio.picture(one), studio.picture(other))


@pytest.mark.parametrize(
    ("base", "change"),
    [
        (KARRAS, {"levels.sigma_min": 0.5}),
        (KARRAS, {"levels.sigma_max": 5.0}),
        (KARRAS, {"levels.rho": 3.0}),
        (KARRAS, {"levels.discard_next_to_last": True}),
        (KARRAS, {"levels.zero_terminal_snr": True}),
        (KARRAS, {"levels.downcast_alphas": True}),
        (KARRAS, {"levels.sgm_noise_multiplier": True}),
        ({"sampling.schedule": "beta"}, {"levels.beta_alpha": 0.3}),
        ({"sampling.schedule": "beta"}, {"levels.beta_beta": 0.3}),
        ({"sampling.sampler": "unipc"}, {"unipc.skip_type": "logsnr"}),
        (ANCESTRAL, {"sampling.ensd": 31337}),
        (ANCESTRAL, {"noise.resize_from_width": 96, "noise.resize_from_height": 48}),
        (ANCESTRAL, {"noise.source": "nv"}),
        (ANCESTRAL, {"sampling.skip_negative_below": 10.0}),
        (ANCESTRAL, {"sampling.skip_negative_until": 0.5}),
        (HIRES, {"hires.sampler": "heun"}),
        (HIRES, {"hires.schedule": "exponential", "hires.steps": 4}),
        (HIRES, {"hires.cfg_scale": 2.0}),
        (HIRES, {"hires.prompt": "a boat"}),
        (HIRES, {"hires.negative_prompt": "people"}),
        (HIRES, {"noise.extra": 0.3}),
    ],
)  # fmt: skip
def test_what_is_asked_changes_the_picture(studio: Studio, base: Values, change: Values) -> None:
    assert not same(studio, base, base | change)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        (HIRES, {"hires.sampler": "euler", "hires.schedule": "uniform", "hires.cfg_scale": 7.0}),
        ({"sampling.sampler": "euler"}, {"sampling.ensd": 31337}),
        ({"sampling.sampler": "euler"}, {"levels.sigma_min": 0.5}),
        ({"sampling.sampler": "euler"}, {"noise.extra": 0.3}),
        ({}, {"reading.pad_conds": True}),
    ],
)
def test_what_has_no_part_in_a_picture_leaves_it_alone(
    studio: Studio, base: Values, change: Values
) -> None:
    assert same(studio, base, base | change)


def test_without_the_negative_prompt_at_any_step_guidance_is_one(studio: Studio) -> None:
    skipped = {"sampling.skip_negative_below": 15.0, "sampling.skip_negative_all_steps": True}
    assert same(studio, skipped, {"sampling.cfg_scale": 1.0})


def test_cfgpp_has_a_negative_estimate_at_any_scale(studio: Studio) -> None:
    ours = {"sampling.sampler": "ddim_cfgpp", "sampling.cfg_scale": 1.0}
    assert not same(studio, ours, ours | {"prompt.negative": "a tree"})


@pytest.mark.parametrize(
    ("edited", "plain"),
    [
        ("a [red:blue:99] house", "a red house"),
        ("a [red:blue:0] house", "a blue house"),
        ("a [red:blue:1.0] house", "a red house"),
    ],
)
def test_an_edit_that_never_or_at_once_happens_is_one_prompt(
    studio: Studio, edited: str, plain: str
) -> None:
    assert same(studio, {"prompt.positive": edited}, {"prompt.positive": plain})


def test_an_edit_in_mid_run_is_neither_of_its_ends(studio: Studio) -> None:
    middle = studio.picture({"prompt.positive": "a [red:blue:1] house"})
    for end in ("red", "blue"):
        assert not np.array_equal(middle, studio.picture({"prompt.positive": f"a {end} house"}))


def test_an_edit_beyond_one_happens_in_the_hires_pass(studio: Studio) -> None:
    edited = {**HIRES, "hires.steps": 4, "prompt.positive": "a [red:blue:1.25] house"}
    only_then = {**edited, "prompt.positive": "a red house", "hires.prompt": "a [red:blue:1] house"}
    assert not same(studio, edited, {**edited, "prompt.positive": "a red house"})
    assert not same(studio, only_then, {**edited, "prompt.positive": "a blue house"})
    assert not same(studio, edited, {**edited, "reading.old_editing": True})


def test_a_composition_equals_its_single_part(studio: Studio) -> None:
    composed = {"prompt.positive": "a house AND a long road :0.0"}
    first = studio.picture({"prompt.positive": "a house"}).astype(int)
    assert np.abs(studio.picture(composed).astype(int) - first).max() <= 1


@pytest.mark.parametrize("padding", ["reading.pad_conds", "reading.pad_conds_v0"])
def test_padding_changes_prompts_of_unequal_length(studio: Studio, padding: str) -> None:
    long = {"prompt.positive": "a house, " * 40}
    assert not same(studio, long, long | {padding: True})


def test_a_corrected_picture_has_the_colours_of_its_source(
    studio: Studio, source: Blob, source_png: bytes
) -> None:
    values = {"source.image": source, "canvas.width": 96, "source.denoising_strength": 0.9}
    inputs = {source: source_png}
    plain = studio.picture(values, inputs)
    corrected = studio.picture(values | {"source.color_correction": True}, inputs)
    light = np.array([0.299, 0.587, 0.114])
    assert not np.array_equal(plain, corrected)
    assert np.abs(plain @ light - corrected @ light).max() < 3
    kept = values | {"source.denoising_strength": 0.0}
    untouched = studio.picture(kept, inputs)
    assert np.array_equal(
        studio.picture(kept | {"source.color_correction": True}, inputs), untouched
    )


def test_a_sampler_whose_images_would_steer_each_other_runs_them_alone(studio: Studio) -> None:
    requests = [
        studio.request({"sampling.sampler": "dpm_adaptive", "noise.seed": seed}) for seed in (3, 4)
    ]
    together = pictures(studio.run(*requests))
    assert [artifact.execution.packed for artifact in together] == [1, 1]
    for request, artifact in zip(requests, together, strict=True):
        assert pictures(studio.run(request))[0].data == artifact.data
