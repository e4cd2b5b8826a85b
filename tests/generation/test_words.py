"""What the prompt language does to pictures, on a tiny random checkpoint."""

from itertools import combinations

import numpy as np
import pytest

from tests.generation.conftest import Studio
from webui.contract.events import Notice

QUICK = {"sampling.sampler": "euler", "sampling.steps": 4}


def painted(studio: Studio, prompt: str, **more: object) -> np.ndarray:
    values = {name.replace("__", "."): value for name, value in more.items()}
    return studio.picture({**QUICK, "prompt.positive": prompt, **values})


@pytest.mark.parametrize(
    ("prompt", "same_as"),
    [
        ("a [red:house:0]", "a house"),
        ("a [red:house:9]", "a red"),
        ("a [red:house:3]", "a red"),  # the first text serves one call more than it says
        ("a red # house", "a red"),
        ("a red <lora:nobody:1>", "a red "),
        ("[a red|a red]", "a red"),
        ("a [red:house:1.5]", "a red"),
    ],
)
def test_prompts_that_mean_the_same_give_the_same_picture(
    studio: Studio, prompt: str, same_as: str
) -> None:
    assert np.array_equal(painted(studio, prompt), painted(studio, same_as))


def test_prompts_that_mean_different_things_give_different_pictures(studio: Studio) -> None:
    prompts = ["a red", "a house", "a [red:house:2]", "a [red|house]",
               "a red AND a house", "a red :0.5 AND a house", "a red BREAK a house"]  # fmt: skip
    made = [painted(studio, prompt) for prompt in prompts]
    pairs = combinations(zip(prompts, made, strict=True), 2)
    assert [(a, b) for (a, one), (b, two) in pairs if np.array_equal(one, two)] == []


def test_edits_of_the_negative_prompt_count_too(studio: Studio) -> None:
    plain = painted(studio, "a red", prompt__negative="house")
    edited = painted(studio, "a red", prompt__negative="[house:tree:1]")
    assert not np.array_equal(plain, edited)


def test_an_edit_between_1_and_2_happens_in_the_hires_pass(studio: Studio) -> None:
    hires = {"hires__steps": 4, "hires__scale": 2.0, "hires__denoising_strength": 0.9}
    plain = painted(studio, "a red", **hires)
    assert not np.array_equal(plain, painted(studio, "a [red:house:1.25]", **hires))
    assert np.array_equal(plain, painted(studio, "a [red:house:1.9]", **hires))


def test_a_sampler_of_second_order_counts_its_calls(studio: Studio) -> None:
    heun = {"sampling__sampler": "heun"}
    red = painted(studio, "a red", **heun)
    assert np.array_equal(red, painted(studio, "a [red:house:7]", **heun))
    assert not np.array_equal(red, painted(studio, "a [red:house:3]", **heun))


def test_a_network_that_cannot_be_applied_is_said(studio: Studio) -> None:
    wishes = {**QUICK, "prompt.positive": "a red <lora:ink:0.5> <lora:x:much>"}
    notices = [e for e in studio.run(studio.request(wishes)) if isinstance(e, Notice)]
    assert len(notices) == 2
    assert "ink" in notices[0].sentence
    assert "no number" in notices[1].sentence
