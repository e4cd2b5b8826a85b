"""What the buttons do: submit, restore, send; errors come back as sentences, nothing is lost."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from tests.ui.house import write_infotext
from webui.contract.fields import nest
from webui.contract.request import GenerationRequest, Inpaint, Source
from webui.errors import NotFound
from webui.images.storage import encode_image
from webui.ui import actions

MARK = "<img src=x onerror=alert(1)>"


def picture(infotext: str = "", kind: str = "png") -> bytes:
    return encode_image(Image.new("RGB", (64, 64), "teal"), kind, infotext, 90)


def made(**values) -> GenerationRequest:
    return nest(GenerationRequest(), {path.replace("__", "."): v for path, v in values.items()})


def test_a_good_form_becomes_a_job_of_its_owner(house, values_of):
    services, jobs = house
    values = values_of("txt2img") | {"prompt.positive": "a red barn"}
    answer = actions.submit(services, "txt2img", values, "ada")
    assert (answer["job"], answer["messages"]) == (1, [])
    assert jobs.noted[0].request.prompt.positive == "a red barn"
    assert jobs.noted[0].owner == "ada"


def test_a_bad_form_comes_back_as_a_sentence_at_its_control(house, values_of):
    services, jobs = house
    answer = actions.submit(services, "txt2img", values_of("txt2img") | {"canvas.width": 513}, "")
    assert answer["job"] is None
    assert answer["messages"] == [
        {"kind": "error", "text": "Width must be a multiple of 8.", "element": "txt2img_width"}
    ]
    assert jobs.noted == []


def test_an_error_of_the_queue_comes_back_too(house, values_of, monkeypatch):
    services, jobs = house

    def refuse(request, owner=""):
        raise NotFound("sampler", "Eular", ["Euler"], "sampling.sampler")

    monkeypatch.setattr(jobs, "submit", refuse)
    (message,) = actions.submit(services, "txt2img", values_of("txt2img"), "")["messages"]
    assert "Did you mean 'Euler'" in message["text"]
    assert message["element"] == "txt2img_sampling"


def test_a_fault_of_ours_does_not_break_the_page(house, values_of, monkeypatch):
    services, jobs = house
    monkeypatch.setattr(jobs, "submit", lambda request, owner="": 1 / 0)
    (message,) = actions.submit(services, "txt2img", values_of("txt2img"), "")["messages"]
    assert message["kind"] == "error"


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_a_dropped_image_restores_every_setting(house, values_of, kind):
    services, _ = house
    request = made(
        prompt__positive="a lighthouse, storm", prompt__negative="blurry", sampling__steps=33,
        sampling__sampler="euler_a", sampling__cfg_scale=4.5, canvas__width=640, noise__seed=99,
        hires__scale=1.5, model__clip_skip=2,
    )  # fmt: skip
    blob = services.blobs.put(picture(write_infotext(request), kind), "image")
    values, answer = actions.restore_from_blob(
        services, "txt2img", values_of("txt2img"), blob.sha256
    )
    from webui.ui.form import collect

    again = collect("txt2img", values_of("txt2img") | values)
    assert again.model_copy(update={"model": request.model}) == request
    assert again.model.clip_skip == 2
    assert answer["undo"] is True


def test_settings_of_an_inpainted_picture_say_that_the_page_has_no_mask(house, values_of):
    services, _ = house
    kept = services.blobs.put(picture(), "image")
    source = Source(image=kept, inpaint=Inpaint(mask=kept))
    text = write_infotext(made(noise__seed=5).model_copy(update={"source": source}))
    blob = services.blobs.put(picture(text), "image")
    _, answer = actions.restore_from_blob(services, "img2img", values_of("img2img"), blob.sha256)
    assert actions.NO_MASK in [message["text"] for message in answer["messages"]]


def test_an_image_without_settings_says_so_and_changes_nothing(house, values_of):
    services, _ = house
    blob = services.blobs.put(picture(), "image")
    values, answer = actions.restore_from_blob(
        services, "txt2img", values_of("txt2img"), blob.sha256
    )
    assert values == {}
    assert answer["messages"][0]["text"] == actions.NOTHING_TO_READ


@pytest.mark.parametrize("sha256", ["", "nonsense", "f" * 64])
def test_an_unknown_image_is_told_not_raised(house, values_of, sha256):
    values, answer = actions.restore_from_blob(house[0], "img2img", values_of("img2img"), sha256)
    assert values == {}
    assert answer["messages"][0]["kind"] == "error"


def test_infotext_in_the_prompt_is_read(house, values_of):
    text = "a fox\nNegative prompt: dog\nSteps: 12, Sampler: Euler, Seed: 3, Size: 512x768"
    values, _ = actions.restore_from_text(
        house[0], "txt2img", values_of("txt2img") | {"prompt.positive": text}
    )
    assert values["prompt.positive"] == "a fox"
    assert values["prompt.negative"] == "dog"
    assert (values["sampling.steps"], values["canvas.height"]) == (12, 768)


def test_an_empty_prompt_brings_back_the_last_job(house, values_of):
    services, jobs = house
    jobs.submit(made(prompt__positive="the last one", sampling__steps=7))
    values, _ = actions.restore_from_text(services, "txt2img", values_of("txt2img"))
    assert (values["prompt.positive"], values["sampling.steps"]) == ("the last one", 7)


def test_img2img_takes_the_denoising_strength_of_a_text_and_keeps_its_image(house, values_of):
    services, _ = house
    data = picture()
    blob = services.blobs.put(data, "image")
    image = {"sha256": blob.sha256, "width": 64, "height": 64, "name": "x.png", "url": "u"}
    text = "a fox\nSteps: 12, Sampler: Euler, Seed: 3, Size: 512x512, Denoising strength: 0.35"
    given = values_of("img2img") | {"prompt.positive": text, "source.image": image}
    values, _ = actions.restore_from_text(services, "img2img", given)
    assert values["source.denoising_strength"] == 0.35
    assert "source.image" not in values


def test_send_to_img2img_moves_the_exact_bytes_and_the_settings(house):
    services, jobs = house
    request = made(prompt__positive="a pier", prompt__negative="people", noise__seed=5)
    data = picture(write_infotext(request))
    number = jobs.file(data, write_infotext(request), (512, 384))
    values, answer = actions.send_to_img2img(services, number)
    from webui.contract.request import Blob

    assert services.blobs.read(Blob(sha256=values["source.image"]["sha256"])) == data
    assert (values["canvas.width"], values["canvas.height"]) == (512, 384)
    assert (values["prompt.positive"], values["prompt.negative"]) == ("a pier", "people")
    assert values["noise.seed"] == 5
    assert answer["tab"] == "img2img"


def test_sending_a_picture_that_is_gone_says_so(house):
    values, answer = actions.send_to_img2img(house[0], 404)
    assert values == {}
    assert answer["messages"][0]["kind"] == "error"


def test_markup_in_a_prompt_stays_text(house, values_of):
    services, _ = house
    request = made(prompt__positive=MARK)
    blob = services.blobs.put(picture(write_infotext(request)), "image")
    values, _ = actions.restore_from_blob(services, "txt2img", values_of("txt2img"), blob.sha256)
    assert values["prompt.positive"] == MARK


def test_the_counter_counts_by_what_the_form_says(house):
    asked = []

    def count(question):
        asked.append(question)
        return (3, 75)

    services = replace(house[0], count_tokens=count)
    form = {"prompt.negative": "(a b", "sampling.steps": 30, "reading.emphasis": "none"}
    shown = actions.token_count(services, "prompt.negative", form)
    assert shown == {"text": "3/75", "fault": "Brackets do not match."}
    assert (asked[0].prompt, asked[0].negative, asked[0].steps) == ("(a b", True, 30)
    assert asked[0].reading.emphasis == "none"
    actions.token_count(services, "prompt.positive", {"prompt.positive": "a", "sampling.steps": 0})
    assert (asked[1].prompt, asked[1].steps) == ("a", 20)


@pytest.mark.parametrize("mode", ["txt2img", "img2img"])
def test_both_prompts_are_explained_whatever_else_the_form_lacks(house, values_of, mode):
    values = values_of(mode) | {"prompt.positive": "a red barn", "prompt.negative": "fog"}
    answer = actions.explain(house[0], mode, values | {"canvas.width": 513})
    assert [one["title"] for one in answer["explained"]] == ["Prompt", "Negative prompt"]
    assert answer["explained"][0]["explanation"]["used"] == 3


def test_what_cannot_be_explained_is_a_sentence(house, values_of):
    def refuse(request):
        raise NotFound("checkpoint", "gone", [], "model.checkpoint")

    services = replace(house[0], explain=refuse)
    (message,) = actions.explain(services, "txt2img", values_of("txt2img"))["messages"]
    assert "gone" in message["text"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("(a:1.2), [b]", False),
        ("(a", True),
        ("a)", True),
        ("(a]", True),
        (r"\(a", False),
        ("", False),
    ],
)
def test_unbalanced_brackets_are_seen(text, wrong):
    assert actions.unbalanced(text) is wrong


def test_an_alpha_png_is_kept_as_it_is(house):
    out = io.BytesIO()
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(out, "PNG")
    blob = house[0].blobs.put(out.getvalue(), "image")
    assert house[0].blobs.read(blob) == out.getvalue()
