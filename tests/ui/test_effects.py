"""Effects on the page: a tick for each, values that are worth a try, settings restored."""

import pytest

from tests.ui.house import write_infotext
from webui.contract.request import GenerationRequest, ScriptCall
from webui.effects.forms import FORMS
from webui.errors import InvalidRequest
from webui.ui import actions
from webui.ui.effects import setting, switch
from webui.ui.form import collect, fill
from webui.ui.theme import field_help
from webui.ui.widgets import choices

IMAGE = {"source.image": {"sha256": "ab" * 32, "width": 64, "height": 64}}
MODES = ("txt2img", "img2img")


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_ticked_at_first_and_a_tick_offers_what_is_worth_a_try(values_of, mode):
    values = values_of(mode) | IMAGE
    assert collect(mode, values, effects=FORMS).effects == ()
    for form in FORMS:
        ticked = values | {switch(form.name): True}
        (call,) = collect(mode, ticked, effects=FORMS).effects
        assert call == form.call(form.args_type.model_validate(form.suggested))


def test_a_ticked_effect_whose_values_do_nothing_is_not_asked_for(values_of):
    values = values_of("txt2img") | {switch("pag"): True, setting("pag", "scale"): 0}
    assert collect("txt2img", values, effects=FORMS).effects == ()


def test_a_wrong_value_is_told_at_its_control(house, values_of):
    services, jobs = house
    values = values_of("txt2img") | {switch("pag"): True, setting("pag", "scale"): 99}
    with pytest.raises(InvalidRequest, match="PAG scale must be at most 30"):
        collect("txt2img", values, effects=FORMS)
    (message,) = actions.submit(services, "txt2img", values, "")["messages"]
    assert message["element"] == "txt2img_effects_pag_scale"
    assert jobs.noted == []


def test_each_argument_has_a_tooltip_where_its_control_is():
    told = field_help(FORMS)
    assert "fine detail" in told["txt2img_effects_token_merging_ratio"]
    assert told["img2img_effects_freeu_b1"]


def test_effects_are_restored_from_infotext_and_others_are_made_ready(house, values_of):
    services, _ = house
    asked = (
        ScriptCall(name="freeu", args={"b1": 1.1}),
        ScriptCall(name="sag", args={"scale": 1.0}),
    )
    text = write_infotext(GenerationRequest(effects=asked))
    before = values_of("txt2img") | {
        "prompt.positive": text,
        switch("pag"): True,
        setting("pag", "scale"): 9,
    }
    filled, _ = actions.restore_from_text(services, "txt2img", before)
    after = before | filled
    assert collect("txt2img", after, effects=FORMS).effects == asked
    assert after[switch("pag")] is False
    assert after[setting("pag", "scale")] == 3.0
    assert after[setting("freeu", "b2")] == 1.0


@pytest.mark.parametrize("mode", MODES)
def test_filling_and_collecting_gives_the_same_effects_back(values_of, mode):
    asked = tuple(
        call for form in FORMS if (call := form.call(form.args_type.model_validate(form.suggested)))
    )
    filled = fill(mode, GenerationRequest(effects=asked), effects=FORMS)
    assert collect(mode, values_of(mode) | IMAGE | filled, effects=FORMS).effects == asked


def test_values_that_are_no_ids_are_their_own_labels():
    thresholding = next(form for form in FORMS if form.name == "dynamic_thresholding")
    leaves = thresholding.leaves
    assert ("Half Cosine Up", "Half Cosine Up") in choices(leaves["cfg_mode"], {})
    assert choices(leaves["measure"], {}) == [("AD", "AD"), ("STD", "STD")]
