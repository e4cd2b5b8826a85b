"""Texts of older programs, and texts that do not fit, still mean what they can."""

from typing import Any

import pytest

from tests.contract.strategies import WORDS
from webui.contract.events import Execution, Word
from webui.contract.fields import nest
from webui.contract.infotext import read, write
from webui.contract.request import (
    Canvas,
    GenerationRequest,
    Hires,
    Model,
    Noise,
    NoiseSourceName,
    Prompt,
    Sampling,
    ScriptCall,
)

SHA = "ab" * 32
NOISE = Noise(seed=1)


def written(request: GenerationRequest, **execution: Any) -> str:
    return write(request, Execution(**execution), "0.1.0", WORDS)


@pytest.mark.parametrize(
    ("name", "sampler", "schedule"),
    [
        ("DPM++ 2M Karras", "dpmpp_2m", "karras"),
        ("DPM++ 2M", "dpmpp_2m", "uniform"),
        ("DPM++ SDE", "dpmpp_sde", "uniform"),
        ("Euler a", "euler_a", "automatic"),
        ("Heun SGM Uniform", "heun", "sgm_uniform"),
        ("Euler Exponential", "euler", "exponential"),
        ("k_euler_ancestral", "euler_a", "automatic"),
        ("DDIM", "ddim", "automatic"),
    ],
)
def test_sampler_names_from_before_1_9_keep_their_schedule(
    name: str, sampler: str, schedule: str
) -> None:
    for version in ("", ", Version: v1.8.0", ", Version: v1.7.0-225-gabcdef12"):
        restored = read(f"a\nSteps: 5, Sampler: {name}, Seed: 3{version}", WORDS)
        assert restored.request.sampling.sampler == sampler
        assert restored.request.sampling.schedule == schedule
        assert restored.notices == ()


@pytest.mark.parametrize(
    ("fields", "schedule"),
    [
        ("Sampler: DPM++ 2M, Version: v1.9.0", "automatic"),
        ("Sampler: DPM++ 2M, Version: v1.10.1", "automatic"),
        ("Sampler: DPM++ 2M, Version: f2.0.1v1.10.1", "automatic"),
        ("Sampler: DPM++ 2M, Schedule type: Karras", "karras"),
        ("Sampler: DPM++ 2M Karras, Schedule type: exponential", "exponential"),
        ("Sampler: DPM++ 2M, Schedule type: SGMUniform", "sgm_uniform"),
    ],
)
def test_a_schedule_told_apart_or_a_newer_version_decides(fields: str, schedule: str) -> None:
    restored = read(f"a\nSteps: 5, {fields}, Seed: 3", WORDS)
    assert restored.request.sampling.sampler == "dpmpp_2m"
    assert restored.request.sampling.schedule == schedule


@pytest.mark.parametrize(
    ("first", "expected"), [("512x384", (512, 384)), ("0x0", (640, 448))], ids=["given", "computed"]
)
def test_the_first_pass_size_of_the_oldest_hires_becomes_the_size(
    first: str, expected: tuple[int, int]
) -> None:
    request = read(
        f"a\nSteps: 5, Size: 1024x768, First pass size: {first}, Denoising strength: 0.6", WORDS
    ).request
    assert (request.canvas.width, request.canvas.height) == expected
    assert request.hires == Hires(width=1024, height=768, denoising_strength=0.6)


def test_networks_that_were_fields_become_prompt_tags() -> None:
    request = read(
        "a\nSteps: 5, Seed: 1, Hypernet: anime, Hypernet strength: 0.5, AddNet Enabled: True, "
        "AddNet Module 1: LoRA, AddNet Model 1: hat(0a1b2c3d), AddNet Weight A 1: 0.8",
        WORDS,
    ).request
    assert request.prompt.positive == "a<hypernet:anime:0.5>\n<lora:hat:0.8>"


def test_foreign_text_without_rng_meant_the_gpu_and_leaves_silent_settings_alone() -> None:
    base = GenerationRequest(
        model=Model(checkpoint="mine", clip_skip=3), canvas=Canvas(tiling=True),
        sampling=Sampling(eta=0.5, schedule="karras"),
    )  # fmt: skip
    request = read("a\nSteps: 5, Sampler: Euler, Seed: 1", WORDS, base=base).request
    assert request.noise.source is NoiseSourceName.GPU
    assert request.model == Model(checkpoint="mine", clip_skip=1)
    assert request.canvas.tiling is True
    assert (request.sampling.eta, request.sampling.schedule) == (0.5, "automatic")


def test_our_own_text_resets_what_it_does_not_name() -> None:
    base = GenerationRequest(
        canvas=Canvas(tiling=True), sampling=Sampling(eta=0.5), hires=Hires(),
        effects=(ScriptCall(name="glow"),),
    )  # fmt: skip
    assert read(written(GenerationRequest()), WORDS, base=base).request == GenerationRequest()


def test_plain_text_changes_only_the_prompt() -> None:
    base = GenerationRequest(sampling=Sampling(steps=7), prompt=Prompt(negative="bad"))
    restored = read("a dog", WORDS, base=base)
    assert restored.request == nest(base, {"prompt.positive": "a dog"})
    assert read("", WORDS, base=base).request == base


def test_numbers_out_of_range_are_bent_and_told() -> None:
    restored = read(
        "a\nSteps: 900, CFG scale: 0.5, Seed: 99999999999, Size: 500x8, Clip skip: 2.0, Eta: nan",
        WORDS,
    )
    request = restored.request
    assert (request.sampling.steps, request.sampling.cfg_scale) == (150, 1.0)
    assert (request.canvas.width, request.canvas.height) == (496, 64)
    assert request.noise.seed == 2**32 - 1
    assert request.model.clip_skip == 2
    assert request.sampling.eta is None
    said = " ".join(restored.notices)
    assert all(key in said for key in ("Steps", "CFG scale", "Seed", "Size-1", "Size-2", "Eta"))


def test_unknown_names_and_keys_are_told_not_dropped() -> None:
    restored = read(
        'a\nSteps: 5, Sampler: Retort, Mimic mode: Constant, Lora hashes: "x: 1, y: 2", Seed: 1',
        WORDS,
    )
    said = " ".join(restored.notices)
    assert restored.request.sampling.sampler == Sampling().sampler
    assert "Retort" in said
    assert "Mimic mode: Constant" in said
    assert "Lora hashes: x: 1, y: 2" in said


def test_a_checkpoint_is_found_by_its_hash_even_when_renamed() -> None:
    words = {**WORDS, "checkpoints": (Word(id="new", label="new", aliases=("0123456789",)),)}
    restored = read("a\nSteps: 5, Model hash: 0123456789, Model: old, Seed: 1", words)
    assert restored.request.model.checkpoint == "new"
    assert restored.notices == ()


def test_an_unknown_checkpoint_leaves_the_chosen_one() -> None:
    words = {**WORDS, "checkpoints": (Word(id="new", label="new"),)}
    base = GenerationRequest(model=Model(checkpoint="new"))
    restored = read("a\nSteps: 5, Model: old, Seed: 1", words, base=base)
    assert restored.request.model.checkpoint == "new"
    assert "old" in restored.notices[0]


def test_broken_effects_are_told() -> None:
    restored = read('a\nSteps: 5, Seed: 1, Effects: "[1", Size: 512x512', WORDS)
    assert restored.request.effects == ()
    assert "Effects" in restored.notices[0]


def test_the_batch_size_of_old_writers_fills_its_field() -> None:
    request = read("a\nSteps: 5, Seed: 1, Batch size: 4, Batch pos: 2", WORDS).request
    assert request.canvas.batch_size == 4
