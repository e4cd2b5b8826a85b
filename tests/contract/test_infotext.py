import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.contract.strategies import (
    WORDS,
    concrete_requests,
    executions,
    json_values,
    keys,
    requests,
    text,
)
from webui.contract.events import Execution
from webui.contract.fields import get, leaves, nest
from webui.contract.infotext import Infotext, Restored, clean, essential, parse, read, write
from webui.contract.infotext.grammar import MAX_CHARACTERS, compose
from webui.contract.request import (
    Blob,
    Canvas,
    GenerationRequest,
    Hires,
    Model,
    Noise,
    NoiseSourceName,
    OutputOf,
    Prompt,
    ResizeMode,
    Rooted,
    Sampling,
    Source,
)

SHA = "ab" * 32
NOISE = Noise(seed=1)
thorough = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def written(request: GenerationRequest, **execution: Any) -> str:
    return write(request, Execution(**execution), "0.1.0", WORDS)


def last_line(request: GenerationRequest, **execution: Any) -> str:
    return written(request, **execution).split("\n")[-1]


@thorough
@given(concrete_requests(), executions)
@example(GenerationRequest(prompt=Prompt(positive="Negative prompt:0"), noise=NOISE), Execution())
@example(
    GenerationRequest(prompt=Prompt(positive=" 8x8", negative="512x768"), noise=NOISE), Execution()
)
def test_reading_what_was_written_gives_the_same_request(
    request: GenerationRequest, execution: Execution
) -> None:
    restored = read(write(request, execution, "0.1.0", WORDS), WORDS)
    assert restored == Restored(request)


@thorough
@given(requests())
def test_any_request_comes_back_as_its_essence(request: GenerationRequest) -> None:
    restored = read(written(request), WORDS).request
    assert restored == essential(request)


@thorough
@given(requests())
def test_the_essence_of_an_essence_is_itself(request: GenerationRequest) -> None:
    assert essential(essential(request)) == essential(request)


@thorough
@given(concrete_requests())
def test_the_fields_stand_in_one_line_and_text_is_clean(request: GenerationRequest) -> None:
    made = written(request)
    assert made == clean(made)
    assert made.split("\n")[-1].startswith("Steps: ")
    assert made.endswith("Version: palimpsest v0.1.0")


def test_the_form_is_that_of_the_older_ui() -> None:
    request = GenerationRequest(
        prompt=Prompt(positive="a cat\nin the rain", negative="blurry"),
        model=Model(checkpoint="starter", clip_skip=2),
        sampling=Sampling(sampler="euler_a", steps=30, cfg_scale=6.5),
        canvas=Canvas(width=640, height=384, tiling=True),
        noise=Noise(
            seed=12, variation_seed=9, variation_strength=0.25,
            resize_from_width=512, resize_from_height=256,
        ),
        source=Source(image=Blob(sha256=SHA), denoising_strength=0.4),
    )  # fmt: skip
    assert written(request, checkpoint_hash="0123456789abcdef") == (
        "a cat\nin the rain\n"
        "Negative prompt: blurry\n"
        "Steps: 30, Sampler: Euler a, Schedule type: Automatic, CFG scale: 6.5, Seed: 12, "
        "Size: 640x384, Model hash: 0123456789, Model: starter, Variation seed: 9, "
        "Variation seed strength: 0.25, Seed resize from: 512x256, Denoising strength: 0.4, "
        f"Clip skip: 2, RNG: CPU, Tiling: True, Init image: {SHA}, Version: palimpsest v0.1.0"
    )


def test_hires_fields_come_in_the_older_order_and_share_denoising_strength() -> None:
    hires = Hires(width=1024, denoising_strength=0.5, steps=9, sampler="ddim", prompt="more, cats")
    line = last_line(GenerationRequest(hires=hires, noise=Noise(seed=1)))
    assert line == (
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Automatic, CFG scale: 7.0, Seed: 1, "
        "Size: 512x512, Denoising strength: 0.5, RNG: CPU, Hires sampler: DDIM, "
        'Hires prompt: "more, cats", Hires resize: 1024x0, Hires steps: 9, Hires upscaler: Latent, '
        "Version: palimpsest v0.1.0"
    )


def test_every_new_field_stands_where_the_older_ui_has_it() -> None:
    request = nest(
        GenerationRequest(noise=NOISE),
        {
            "sampling.sampler": "euler_a", "sampling.ensd": 31337, "sampling.eta": 0.5,
            "sampling.skip_negative_below": 1.5, "sampling.skip_negative_all_steps": True,
            "sampling.skip_negative_until": 0.2, "reading.emphasis": "no_norm",
            "reading.pad_conds": True, "levels.sigma_min": 0.1, "levels.rho": 5.0,
            "levels.zero_terminal_snr": True, "levels.downcast_alphas": True,
            "levels.discard_next_to_last": True, "noise.extra": 0.1,
            "refiner.checkpoint": "polish", "refiner.by_sampling_steps": True,
            "refiner.hires_pass": "both_passes", "hires.cfg_scale": 4.0,
            "hires.checkpoint": "large",
        },
    )  # fmt: skip
    made = last_line(request, refiner="polish [0123456789]", hires_checkpoint="large [9876543210]")
    assert made == (
        "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 1, "
        "Size: 512x512, Denoising strength: 0.7, ENSD: 31337, RNG: CPU, NGMS: 1.5, "
        "Hires checkpoint: large [9876543210], Hires CFG Scale: 4.0, Hires upscale: 2.0, "
        "Hires upscaler: Latent, Extra noise: 0.1, Downcast alphas_cumprod: True, "
        "Noise Schedule: Zero Terminal SNR, Emphasis: No norm, Eta: 0.5, "
        "Schedule min sigma: 0.1, Schedule rho: 5.0, Discard penultimate sigma: True, "
        "NGMS all steps: True, Skip Early CFG: 0.2, Pad conds: True, "
        "Refiner: polish [0123456789], Refiner switch at: 0.8, "
        "Refiner switch by sampling steps: True, Hires refiner: both passes, "
        "Version: palimpsest v0.1.0"
    )


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"sampling.sampler": "euler", "sampling.eta": 0.5}, "sampling.eta"),
        ({"sampling.sampler": "euler_a", "sampling.eta": 1.0}, "sampling.eta"),
        ({"sampling.sampler": "ddim", "sampling.eta": 0.0}, "sampling.eta"),
        ({"sampling.sampler": "ddim", "sampling.ensd": 7}, "sampling.ensd"),
        ({"sampling.sampler": "dpmpp_sde", "sampling.ensd": 7}, "sampling.ensd"),
        ({"sampling.sampler": "euler", "sampling.s_tmin": 2.0}, "sampling.s_tmin"),
        ({"sampling.sampler": "lms", "sampling.s_noise": 1.1}, "sampling.s_noise"),
        ({"sampling.sampler": "euler", "unipc.order": 2}, "unipc.order"),
        ({"hires.cfg_scale": 7.0}, "hires.cfg_scale"),
        ({"reading.old_editing": True}, "reading.old_editing"),
        ({"refiner.checkpoint": "x", "refiner.hires_pass": "first_pass"}, "refiner.hires_pass"),
    ],
    ids=str,
)
def test_what_nobody_looks_at_is_not_essential(values: dict[str, Any], path: str) -> None:
    request = nest(GenerationRequest(), values)
    assert get(essential(request), path) == leaves(GenerationRequest)[path].default


@pytest.mark.parametrize(
    "values",
    [
        {"sampling.sampler": "euler", "sampling.s_churn": 2.0, "sampling.s_tmin": 2.0},
        {"sampling.sampler": "ddim", "sampling.eta": 1.0, "sampling.ensd": 7},
        {"sampling.sampler": "restart", "sampling.ensd": 7},
        {"sampling.sampler": "a plugin's", "sampling.eta": 1.0, "unipc.order": 2},
        {"sampling.sampler": "euler", "hires.sampler": "euler_a", "sampling.eta": 0.5},
        {"prompt.negative": "[a:b:2]", "reading.old_editing": True},
        {"hires.cfg_scale": 5.0},
    ],
    ids=str,
)
def test_what_changes_the_picture_stays(values: dict[str, Any]) -> None:
    request = nest(GenerationRequest(), values)
    assert essential(request) == request


def test_the_gpu_noise_source_is_the_unwritten_one() -> None:
    request = GenerationRequest(noise=Noise(source=NoiseSourceName.GPU))
    assert "RNG" not in written(request)
    assert "RNG: NV" in written(GenerationRequest(noise=Noise(source=NoiseSourceName.NV)))


def test_what_the_machine_decided_is_written_where_it_changed_pixels() -> None:
    plain, special = (
        last_line(GenerationRequest()),
        last_line(GenerationRequest(), dtype="float16", vae_tiles=4, packed=2),
    )
    assert "Precision" not in plain
    assert "Precision: float16, VAE tiles: 4, Packed: 2, Version" in special


def test_eta_has_the_older_key_for_ddim() -> None:
    request = GenerationRequest(sampling=Sampling(sampler="ddim", eta=0.5))
    assert "Eta DDIM: 0.5" in written(request)
    assert read(written(request), WORDS).request.sampling.eta == 0.5


@pytest.mark.parametrize(
    "image",
    [OutputOf(item=0), Rooted(root_id="in", relative_path="secret/a.png", size=1, mtime_ns=1)],
    ids=["another item's output", "a file below a root"],
)
def test_a_source_that_is_no_kept_picture_is_not_named(image: OutputOf | Rooted) -> None:
    request = GenerationRequest(source=Source(image=image, denoising_strength=0.3))
    made = written(request)
    assert "Init image" not in made
    assert "secret" not in made
    restored = read(made, WORDS)
    assert restored.request.source is None
    assert restored.denoising_strength == 0.3


def test_a_strength_goes_into_the_source_that_the_form_already_has() -> None:
    text_ = written(
        GenerationRequest(
            source=Source(
                image=OutputOf(item=0),
                denoising_strength=0.3,
                resize_mode=ResizeMode.RESIZE_AND_FILL,
            )
        )
    )
    base = GenerationRequest(source=Source(image=Blob(sha256=SHA)))
    source = read(text_, WORDS, base=base).request.source
    assert source == Source(
        image=Blob(sha256=SHA), denoising_strength=0.3, resize_mode=ResizeMode.RESIZE_AND_FILL
    )


def test_a_picture_that_is_not_kept_any_more_is_not_referred_to() -> None:
    made = written(GenerationRequest(source=Source(image=Blob(sha256=SHA))))
    restored = read(made, WORDS, known=lambda blob: False)
    assert restored.request.source is None
    assert restored.denoising_strength == 0.75
    assert "no longer kept" in " ".join(restored.notices)


def test_a_plain_denoising_strength_does_not_turn_hires_on() -> None:
    restored = read("cat\nSteps: 20, Sampler: Euler, Denoising strength: 0.4, Seed: 1", WORDS)
    assert restored.request.hires is None
    assert restored.denoising_strength == 0.4


def test_a_hires_key_gives_the_denoising_strength_to_hires() -> None:
    restored = read("cat\nSteps: 20, Seed: 1, Denoising strength: 0.4, Hires upscale: 1.5", WORDS)
    assert restored.request.hires == Hires(scale=1.5, denoising_strength=0.4)
    assert restored.denoising_strength is None


def test_an_unknown_hires_upscaler_is_told_and_hires_stays_on() -> None:
    restored = read("cat\nSteps: 20, Seed: 1, Hires upscaler: R-ESRGAN 4x+", WORDS)
    assert restored.request.hires == Hires()
    assert "R-ESRGAN" in " ".join(restored.notices)


@pytest.mark.parametrize(
    ("text_", "expected"),
    [
        ("just a prompt", Infotext("just a prompt")),
        ("a\nSteps: 1, Seed: 2", Infotext("a\nSteps: 1, Seed: 2")),
        (
            "a\nSteps: 1, Seed: 2, Size: 3x4",
            Infotext("a", "", {"Steps": "1", "Seed": "2", "Size-1": "3", "Size-2": "4"}),
        ),
        (
            "Steps: 1, Seed: 2, Model: x",
            Infotext("", "", {"Steps": "1", "Seed": "2", "Model": "x"}),
        ),
        (
            ' a \n b\nNegative prompt: c \n d\nSteps: 1, CFG: "a, \\"b\\"", C-d/e: ',
            Infotext("a\nb", "c\nd", {"Steps": "1", "CFG": 'a, "b"'}),
        ),
        (
            'a\nSteps: 1, q: one letter, Bad: "unclosed, Next: "half" open, Last: "\\x"',
            Infotext(
                "a",
                "",
                {"Steps": "1", "Bad": '"unclosed', "Next": '"half" open', "Last": '"\\x"'},
            ),
        ),
    ],
)
def test_parsing_follows_the_older_reader(text_: str, expected: Infotext) -> None:
    assert parse(text_) == expected


@thorough
@given(text)
@example("a: " * 50_000)
def test_parsing_never_fails_and_neither_does_reading(text_: str) -> None:
    parse(text_)
    parse(f"x\nSteps: 1, Seed: 2, Size: {text_}")
    read(text_, WORDS)
    read(f"x\nSteps: {text_}, Seed: 2, Size: 1x1, CFG scale: {text_}, Sampler: {text_}", WORDS)


RECORDS = st.sampled_from([
    ("positive_prompt", "scheduler", "model", "clip_skip"), ("image", "model_weights"),
    ("sui_image_params",), ("prompt", "performance", "resolution"), ("c", "uc", "sampler", "v2"),
    ("uc", "scale", "sampler"), ("num_inference_steps", "guidance_scale"), ("reqBody", "seed"),
])  # fmt: skip


@thorough
@given(RECORDS.flatmap(lambda keys_: st.fixed_dictionaries(dict.fromkeys(keys_, json_values))))
def test_no_record_of_another_program_fails(record: dict[str, Any]) -> None:
    read(json.dumps(record), WORDS)
    read(json.dumps({"image": record, "model_weights": record, "reqBody": record}), WORDS)


@thorough
@given(text, text, st.dictionaries(keys, text.filter(bool), min_size=3, max_size=5))
def test_parts_that_were_composed_come_apart_again(
    prompt: str, negative: str, fields: dict[str, str]
) -> None:
    fields = {key.strip(" -/"): value for key, value in fields.items()}
    fields = {key: v for key, v in fields.items() if len(key) > 1}
    if len(fields) < 3:
        return
    found = parse(compose(prompt, negative, fields)).fields
    for key, value in fields.items():
        halves = f"{found.get(f'{key}-1')}x{found.get(f'{key}-2')}"
        assert value in (found.get(key), halves)


@pytest.mark.parametrize(
    "text_",
    [
        "a" * 3_000_000,
        "a " * 1_500_000,
        "x\n" + " " * 3_000_000 + "y",
        "x\nab: " * 300_000,
        'ab: "' * 500_000,
        'ab: "\\"' * 400_000,
        "ab:" + " " * 3_000_000,
        "\\" * 3_000_000,
        "ab: " + '"' * 2_000_000,
        "ab: 1, " * 500_000,
    ],
    ids=range(10),
)
def test_hostile_text_takes_time_in_proportion_to_its_length(text_: str) -> None:
    # Anything quadratic would take hours and meet the suite's time limit.
    assert parse(text_) == parse(text_)


def test_endless_text_is_cut() -> None:
    assert len(clean("x" * (MAX_CHARACTERS + 5))) == MAX_CHARACTERS
    assert len(read("x" * 200_000, WORDS).request.prompt.positive) == 100_000
