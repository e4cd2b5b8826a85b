"""What the page offers and says when another checkpoint is chosen."""

from typing import Any

import pytest

from tests.ui.house import ADVICE
from webui.ui.advice import offer_text, offered, warned

USUAL: dict[str, Any] = {
    "canvas.width": 512,
    "canvas.height": 512,
    "sampling.steps": 20,
    "sampling.cfg_scale": 7.0,
    "sampling.sampler": "dpmpp_2m",
    "sampling.schedule": "automatic",
}


def test_a_size_is_only_offered_where_it_changes_something(house):
    services, _ = house
    assert offer_text(services, "starter", USUAL) == "Use 256 × 256"
    there = {**USUAL, "canvas.width": 256, "canvas.height": 256}
    assert offer_text(services, "starter", there) == ""
    assert offer_text(services, "unknown", USUAL) == ""


def test_steps_are_a_matter_of_taste(house):
    taste = {**USUAL, "canvas.width": 256, "canvas.height": 256, "sampling.steps": 33}
    assert offered(ADVICE["starter"], taste) == {}


def test_a_distilled_model_is_offered_all_that_it_needs(house):
    services, _ = house
    text = "Use 1024 × 1024, 4 steps, CFG 1, Euler, SGM Uniform"
    assert offer_text(services, "quick", USUAL) == text
    taken = {**USUAL, **offered(ADVICE["quick"], USUAL)}
    assert offered(ADVICE["quick"], taken) == {}
    assert offer_text(services, "starter", taken) == "Use 256 × 256, 20 steps, CFG 7"


@pytest.mark.parametrize("scale", [1.0, 2.0, None, "7"])
def test_guidance_that_will_do_is_left_alone(house, scale):
    assert warned(house[0], "quick", scale) is None


def test_guidance_that_would_spoil_the_picture_is_taken_back_and_why_is_said(house):
    services, _ = house
    assert warned(services, "quick", 7.0) == (
        1.0,
        "CFG Scale was 7 and is now 1. It was distilled.",
    )
    assert warned(services, "starter", 7.0) is None
    assert warned(services, "unknown", 7.0) is None
