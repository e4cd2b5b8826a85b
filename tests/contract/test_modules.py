"""Forge's names for VAE and text encoders, read and written."""

import pytest

from webui.contract.events import Execution, Word
from webui.contract.infotext import read, write
from webui.contract.request import GenerationRequest, Model, Noise
from webui.contract.vocabulary import builtin

WORDS = builtin() | {
    "vaes": (
        Word(id="none", label="None"),
        Word(id="flux/ae.safetensors", label="flux/ae.safetensors [1a2b3c4d5e]", aliases=("ae",)),
    ),
    "text_encoders": (
        Word(id="clip_l.safetensors", label="clip_l.safetensors", aliases=("clip_l",)),
        Word(id="t5xxl_fp16.safetensors", label="t5xxl_fp16.safetensors", aliases=("t5xxl_fp16",)),
    ),
}
FORGE = (
    "a cabin\nSteps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Seed: 42, "
    "Size: 896x1152, Version: f2.0.1v1.10.1-previous-313-g8a042934, "
)


def test_modules_of_forge_become_the_vae_and_the_text_encoders() -> None:
    text = FORGE + "Module 1: ae, Module 2: clip_l, Module 3: t5xxl_fp16"
    restored = read(text, WORDS)
    assert restored.request.model.vae == "flux/ae.safetensors"
    assert restored.request.model.text_encoders == ("clip_l.safetensors", "t5xxl_fp16.safetensors")
    assert restored.notices == ()


def test_a_module_that_no_file_is_called_is_told() -> None:
    restored = read(FORGE + "Module 1: ae, Module 2: t5xxl_q4, Module 3: None", WORDS)
    assert restored.request.model == Model(vae="flux/ae.safetensors")
    assert "Module 2: t5xxl_q4" in restored.notices[0]


@pytest.mark.parametrize("second", ["Use same choices", "ae"])
def test_a_second_pass_with_the_same_modules_says_nothing(second: str) -> None:
    restored = read(FORGE + f"Module 1: ae, Hires Module 1: {second}", WORDS)
    assert restored.notices == ()


def test_chosen_text_encoders_are_written_as_forge_reads_them_too() -> None:
    request = GenerationRequest(
        model=Model(text_encoders=("sd3/clip_l.safetensors", "t5-Q4.gguf")), noise=Noise(seed=1)
    )
    text = write(request, Execution(vae="ae.safetensors", vae_hash="ab" * 32), "0.1.0", WORDS)
    assert "Module 1: ae, Module 2: clip_l, Module 3: t5-Q4, Version: palimpsest v0.1.0" in text
    assert "Module" not in write(GenerationRequest(), Execution(vae="ae"), "0.1.0", WORDS)


def test_our_own_text_is_read_by_its_own_keys() -> None:
    request = GenerationRequest(
        model=Model(vae="flux/ae.safetensors", text_encoders=("clip_l.safetensors",)),
        noise=Noise(seed=1),
    )
    restored = read(write(request, Execution(), "0.1.0", WORDS), WORDS)
    assert restored.request == request
    assert restored.notices == ()
