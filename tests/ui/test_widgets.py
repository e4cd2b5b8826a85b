"""Each field gets the component that its type and metadata ask for."""

import gradio as gr
import pytest

from tests.ui.house import WORDS
from webui.contract.fields import leaves
from webui.contract.request import GenerationRequest
from webui.scripts.loopback import LoopbackArgs
from webui.ui.layout import Mode, shown
from webui.ui.widgets import element_id, from_component, to_component, widget

LEAVES = leaves(GenerationRequest)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("sampling.steps", gr.Slider),
        ("sampling.sampler", gr.Dropdown),
        ("prompt.positive", gr.Textbox),
        ("prompt.styles", gr.Dropdown),
        ("canvas.tiling", gr.Checkbox),
        ("noise.seed", gr.Number),
        ("sampling.eta", gr.Textbox),
    ],
)
def test_the_component_follows_from_the_field(path, kind):
    assert type(widget(LEAVES[path], WORDS, mode="txt2img")) is kind


def test_a_slider_has_the_field_s_bounds_step_and_default():
    slider = widget(LEAVES["sampling.cfg_scale"], WORDS, mode="txt2img")
    assert isinstance(slider, gr.Slider)
    assert (slider.minimum, slider.maximum, slider.step, slider.value) == (1, 30, 0.5, 7.0)


def test_a_dropdown_offers_labels_and_sends_ids():
    dropdown = widget(LEAVES["sampling.sampler"], WORDS, mode="txt2img")
    assert isinstance(dropdown, gr.Dropdown)
    assert ("DPM++ 2M", "dpmpp_2m") in dropdown.choices
    assert dropdown.value == "dpmpp_2m"


def test_a_literal_offers_its_values():
    dropdown = widget(leaves(LoopbackArgs)["curve"], WORDS, mode="script")
    assert isinstance(dropdown, gr.Dropdown)
    assert [value for _, value in dropdown.choices] == ["aggressive", "linear", "lazy"]


def test_every_widget_can_be_used(page):
    """interactive=None is guessed by Gradio, and a guess can lock a control."""
    kinds = (gr.Slider, gr.Dropdown, gr.Textbox, gr.Checkbox, gr.Number, gr.Radio)
    assert [
        b.elem_id for b in page.blocks.values() if isinstance(b, kinds) and not b.interactive
    ] == []


@pytest.mark.parametrize("mode", ["txt2img", "img2img"])
def test_element_ids_are_unique_in_a_tab(mode: Mode):
    ids = [element_id(mode, path) for path in shown(mode)]
    assert len(set(ids)) == len(ids)


def test_no_two_blocks_of_the_page_share_an_element_id(page):
    ids = [b.elem_id for b in page.blocks.values() if b.elem_id]
    assert sorted({i for i in ids if ids.count(i) > 1}) == []


def test_the_older_names_of_elements_are_kept(page):
    ids = {b.elem_id for b in page.blocks.values()}
    assert ids >= {
        "txt2img_prompt", "txt2img_neg_prompt", "txt2img_generate", "txt2img_steps",
        "txt2img_sampling", "txt2img_cfg_scale", "txt2img_seed", "txt2img_width",
        "txt2img_random_seed", "txt2img_interrupt", "txt2img_skip", "txt2img_batch_count",
        "img2img_image", "img2img_denoising_strength", "img2img_resize_mode", "img2img_generate",
        "setting_sd_model_checkpoint", "tabs", "tab_txt2img", "tab_img2img",
    }  # fmt: skip


def test_nothing_and_numbers_survive_the_open_number_box():
    eta = LEAVES["sampling.eta"]
    values = [None, 0.0, 0.001953125, 1.0]
    back = [from_component(eta, to_component(eta, value)) for value in values]
    assert back == [None, "0.0", "0.001953125", "1.0"]
