"""Checkpoints that take over: a refiner in mid-pass, another checkpoint for the hires pass."""

import re
from typing import Any

import numpy as np
import pytest

from tests.generation.conftest import Studio, pictures
from webui.contract.infotext import parse
from webui.errors import NotFound

Values = dict[str, Any]
EDITED: Values = {
    "prompt.positive": "a [red:blue:2] house",
    "prompt.negative": "[blurry|grey]",
    "sampling.sampler": "euler_a",
    "sampling.steps": 6,
}
HIRES: Values = {"hires.scale": 1.5, "hires.steps": 3}


def same(studio: Studio, one: Values, other: Values) -> bool:
    return np.array_equal(studio.picture(one), studio.picture(other))


@pytest.mark.parametrize(
    ("sampler", "by_steps"),
    [("euler_a", False), ("heun", True), ("ddim_cfgpp", False), ("dpmpp_2m", True)],
)
def test_a_checkpoint_that_refines_itself_changes_nothing(
    duet: Studio, sampler: str, by_steps: bool
) -> None:
    base = {**EDITED, "sampling.sampler": sampler}
    refined = {
        **base,
        "refiner.checkpoint": "tiny",
        "refiner.switch_at": 0.5,
        "refiner.by_sampling_steps": by_steps,
    }
    assert same(duet, base, refined)


def test_checkpoints_that_took_over_are_named_with_their_hashes(duet: Studio) -> None:
    values = {**EDITED, **HIRES, "hires.checkpoint": "other", "refiner.checkpoint": "tiny"}
    (picture,) = pictures(duet.run(duet.request(values)))
    fields = parse(picture.infotext).fields
    assert re.fullmatch(r"other \[[0-9a-f]{10}\]", fields["Hires checkpoint"])
    assert re.fullmatch(r"tiny \[[0-9a-f]{10}\]", fields["Refiner"])


def test_another_checkpoint_refines_from_its_moment_on(duet: Studio) -> None:
    def refined(switch_at: float, by_steps: bool = False) -> np.ndarray:
        return duet.picture(
            {
                **EDITED,
                "refiner.checkpoint": "other",
                "refiner.switch_at": switch_at,
                "refiner.by_sampling_steps": by_steps,
            }
        )

    plain, other = duet.picture(EDITED), duet.picture({**EDITED, "model.checkpoint": "other"})
    assert np.array_equal(refined(1.0), plain)
    assert np.array_equal(refined(1.0, by_steps=True), plain)
    half = refined(0.5)
    assert not np.array_equal(half, plain)
    assert not np.array_equal(half, other)
    # 6 uniform steps: calls 3, 4, 5 lie at or beyond half by either rule
    assert np.array_equal(half, refined(0.5, by_steps=True))
    assert not np.array_equal(half, refined(0.8))


@pytest.mark.parametrize(
    ("choice", "first", "second"),
    [("first_pass", True, False), ("second_pass", False, True), ("both_passes", True, True)],
)
def test_a_refiner_joins_the_passes_of_a_hires_fix_that_it_is_meant_for(
    duet: Studio, choice: str, first: bool, second: bool
) -> None:
    refiner = {
        "refiner.checkpoint": "other", "refiner.switch_at": 0.5, "refiner.hires_pass": choice
    }  # fmt: skip
    first_alone = {**EDITED, **HIRES, "hires.denoising_strength": 0.0}
    assert same(duet, first_alone, first_alone | refiner) is not first
    # a hires pass without the refiner, over whichever first pass the choice gives
    whole = {**EDITED, **HIRES}
    unrefined = refiner | {"refiner.hires_pass": "first_pass"} if first else {}
    assert same(duet, whole | unrefined, whole | refiner) is not second


def test_the_hires_pass_can_have_a_checkpoint_of_its_own(duet: Studio) -> None:
    base = {**EDITED, **HIRES}
    assert same(duet, base, {**base, "hires.checkpoint": "tiny"})
    changed = duet.picture({**base, "hires.checkpoint": "other"})
    assert not np.array_equal(changed, duet.picture(base))
    assert not np.array_equal(changed, duet.picture({**base, "model.checkpoint": "other"}))
    assert same(duet, base, base)  # the base is back at the next item


@pytest.mark.parametrize("path", ["refiner.checkpoint", "hires.checkpoint"])
def test_a_checkpoint_that_is_not_there_is_named(duet: Studio, path: str) -> None:
    with pytest.raises(NotFound) as caught:
        duet.picture({**EDITED, path: "othr"})
    assert caught.value.nearest == ("other",)
    assert caught.value.field == path
