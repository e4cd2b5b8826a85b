"""Every field stands in one place of each tab, or on the list of hidden ones with a reason."""

from collections import Counter

import pytest

from webui.contract.fields import leaves
from webui.contract.request import GenerationRequest
from webui.ui.layout import HIDDEN, INPAINT, LAYOUTS, Mode, fields, shown

MODES: tuple[Mode, ...] = ("txt2img", "img2img")


@pytest.mark.parametrize("mode", MODES)
def test_each_field_is_shown_once_or_hidden_for_a_reason(mode: Mode):
    places = Counter((*shown(mode), *HIDDEN[mode]))
    assert {path: n for path, n in places.items() if n != 1} == {}
    assert set(places) == set(leaves(GenerationRequest))
    assert all(HIDDEN[mode].values())


def test_every_field_is_shown_somewhere_but_masks_and_the_older_surface_s_own():
    everywhere = {path for mode in MODES for path in shown(mode)}
    assert set(leaves(GenerationRequest)) - everywhere == {"source.zero_strength_step", *INPAINT}


def test_the_controls_come_in_the_older_order():
    order = [field.path for field in fields(LAYOUTS["txt2img"])]
    expected = [
        "sampling.sampler", "sampling.schedule", "sampling.steps", "hires.upscaler",
        "canvas.width", "canvas.height", "canvas.batch_count", "canvas.batch_size",
        "sampling.cfg_scale", "noise.seed",
    ]  # fmt: skip
    assert [path for path in order if path in expected] == expected
