"""From values to a request and back; wrong values name their field."""

import pytest
from hypothesis import given, settings

from tests.contract.strategies import requests
from webui.contract.infotext import essential
from webui.contract.request import Blob, GenerationRequest, Hires, ScriptCall
from webui.errors import InvalidRequest
from webui.scripts.loopback import Loopback
from webui.ui.form import argument, collect, fill, nearest_size, tick

SHA = "ab" * 32
IMAGE = {"sha256": SHA, "width": 640, "height": 427, "name": "photo.jpg", "url": "blob:x"}


def test_an_untouched_txt2img_form_says_the_default_request(values_of):
    assert collect("txt2img", values_of("txt2img")) == GenerationRequest()


def test_an_untouched_img2img_form_with_an_image_says_the_default_source(values_of):
    request = collect("img2img", values_of("img2img") | {"source.image": IMAGE})
    assert request.source is not None
    assert request.source.image == Blob(sha256=SHA)
    assert request.source.denoising_strength == 0.75


def test_img2img_without_an_image_names_the_field(values_of):
    with pytest.raises(InvalidRequest, match="source image") as caught:
        collect("img2img", values_of("img2img"))
    assert caught.value.field == "source.image"


@pytest.mark.parametrize("image", [{"sha256": "../../etc/passwd"}, {"sha256": 7}, "path.png", []])
def test_a_forged_image_value_is_refused(values_of, image):
    with pytest.raises(InvalidRequest) as caught:
        collect("img2img", values_of("img2img") | {"source.image": image})
    assert caught.value.field == "source.image"


def test_an_unticked_hires_part_counts_as_absent(values_of):
    values = values_of("txt2img") | {"hires.scale": 3.0}
    assert collect("txt2img", values).hires is None
    assert collect("txt2img", values | {tick("hires"): True}).hires == Hires(scale=3.0)


def test_an_unticked_extra_seed_counts_as_untouched(values_of):
    values = values_of("txt2img") | {"noise.variation_strength": 0.4}
    assert collect("txt2img", values).noise.variation_strength == 0
    assert collect("txt2img", values | {tick("variation"): True}).noise.variation_strength == 0.4


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("sampling.steps", 0, "Sampling steps must be at least 1."),
        ("sampling.steps", 1000, "Sampling steps must be at most 150."),
        ("sampling.steps", None, "Sampling steps is empty."),
        ("sampling.steps", 2.5, "Sampling steps must be a whole number."),
        ("canvas.width", 513, "Width must be a multiple of 8."),
        ("sampling.cfg_scale", float("nan"), "CFG Scale must be a number."),
        ("sampling.eta", "a lot", "Eta must be a number."),
        ("noise.seed", -2, "Seed must be at least -1."),
    ],
)
def test_a_wrong_value_is_told_in_a_sentence_with_its_field(values_of, path, value, sentence):
    with pytest.raises(InvalidRequest) as caught:
        collect("txt2img", values_of("txt2img") | {path: value})
    assert (caught.value.field, caught.value.sentence) == (path, sentence)


def test_an_empty_eta_leaves_the_sampler_s_own_and_a_number_is_read(values_of):
    values = values_of("txt2img")
    assert collect("txt2img", values).sampling.eta is None
    assert collect("txt2img", values | {"sampling.eta": " 0,5 "}).sampling.eta == 0.5


def test_resize_by_takes_the_size_from_the_image(values_of):
    values = values_of("img2img") | {
        "source.image": IMAGE, "resize_choice": "by", "resize_by": 1.5,
    }  # fmt: skip
    request = collect("img2img", values)
    assert (request.canvas.width, request.canvas.height) == (960, 640)


def test_resize_by_stays_within_the_bounds(values_of):
    values = values_of("img2img") | {
        "source.image": IMAGE | {"width": 6000, "height": 100},
        "resize_choice": "by",
        "resize_by": 0.5,
    }
    request = collect("img2img", values)
    assert (request.canvas.width, request.canvas.height) == (2048, 64)


def test_a_size_is_floored_to_what_the_field_allows():
    assert [nearest_size("canvas.width", n) for n in (10, 515, 9999)] == [64, 512, 2048]


def test_a_script_and_its_arguments_travel_with_the_request(values_of):
    values = values_of("img2img") | {
        "source.image": IMAGE,
        "script": "loopback",
        argument("loopback", "loops"): 7,
    }
    request = collect("img2img", values, [Loopback()])
    assert request.script == ScriptCall(
        name="loopback",
        args={"loops": 7, "final_denoising_strength": 0.5, "curve": "linear"},
    )
    assert values | fill("img2img", request, [Loopback()]) == values | {
        "source.image": {"sha256": SHA}
    }


def test_a_wrong_script_argument_names_itself(values_of):
    values = values_of("img2img") | {
        "source.image": IMAGE,
        "script": "loopback",
        argument("loopback", "loops"): 99,
    }
    with pytest.raises(InvalidRequest, match="Loops must be at most 32"):
        collect("img2img", values, [Loopback()])


def test_filling_txt2img_from_img2img_settings_leaves_no_source(values_of):
    request = collect("img2img", values_of("img2img") | {"source.image": IMAGE})
    again = collect("txt2img", values_of("txt2img") | fill("txt2img", request))
    assert again == request.model_copy(update={"source": None})


@settings(max_examples=60, deadline=None)
@given(request=requests())
def test_filling_and_collecting_gives_the_same_request_back(values_of, request):
    mode = request.mode
    absent = {"script": None, "effects": ()} | ({"hires": None} if mode == "img2img" else {})
    request = essential(request.model_copy(update=absent))
    filled = fill(mode, request)
    if request.source is not None and not isinstance(request.source.image, Blob):
        return
    again = collect(mode, values_of(mode) | filled)
    expected = request
    if request.source is not None:
        off_the_page = {"zero_strength_step": False, "inpaint": None}
        source = request.source.model_copy(update=off_the_page)
        expected = request.model_copy(update={"source": source})
    assert again == expected
