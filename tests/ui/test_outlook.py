"""What the line below Generate says, and that it never stands in the way."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.ui.house import make_services
from webui.contract.estimates import Estimate
from webui.contract.request import GenerationRequest
from webui.errors import NotFound
from webui.ui.outlook import NOTHING, duration, outlook, said

FULL = Estimate(
    device="cuda",
    memory_mb=8000,
    weights_mb={},
    working_mb=1000,
    peak_mb={"full": 5230, "model": 3000, "group": 1200},
    placement="full",
    fits=True,
    sentence="forest needs about 5.2 GB for this; cuda has 8.0 GB.",
)


def test_what_fits_is_said_in_a_few_words() -> None:
    assert said(FULL) == {"text": "About 5.2 of 8.0 GB", "note": "", "warning": False}
    timed = said(FULL.model_copy(update={"seconds": 41.2}))
    assert timed["text"] == "About 5.2 of 8.0 GB · 41 s"
    assert said(FULL.model_copy(update={"memory_mb": 0}))["text"] == "About 5.2 GB"


def test_another_plan_is_told_in_its_sentence_and_too_little_is_a_warning() -> None:
    parts = FULL.model_copy(update={"placement": "model", "sentence": "One part at a time."})
    assert said(parts) == {
        "text": "About 3.0 of 8.0 GB", "note": "One part at a time.", "warning": False,
    }  # fmt: skip
    assert said(parts.model_copy(update={"fits": False}))["warning"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (119, "119 s"), (170, "3 min"), (9000, "2 h")]
)
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_form_is_weighed_and_a_source_may_still_be_missing(tmp_path: Path) -> None:
    asked: list[GenerationRequest] = []

    def weigh(request: GenerationRequest) -> Estimate:
        asked.append(request)
        return FULL

    services = replace(make_services(tmp_path)[0], estimate=weigh)
    assert outlook(services, "img2img", {"canvas.width": 768, "source.image": None}) == said(FULL)
    assert asked[0].canvas.width == 768
    assert asked[0].source is not None


def test_what_cannot_be_weighed_says_nothing(tmp_path: Path) -> None:
    services = make_services(tmp_path)[0]
    assert outlook(services, "txt2img", {}) == NOTHING

    def refuse(request: GenerationRequest) -> Estimate:
        raise NotFound("checkpoint", "gone")

    def break_down(request: GenerationRequest) -> Estimate:
        raise RuntimeError("a bug")

    for estimate in (refuse, break_down):
        assert outlook(replace(services, estimate=estimate), "txt2img", {}) == NOTHING
    weighed = replace(services, estimate=lambda request: FULL)
    assert outlook(weighed, "txt2img", {"canvas.width": None}) == NOTHING
