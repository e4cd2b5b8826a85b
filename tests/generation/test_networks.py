"""LoRA tags in whole runs, on tiny random checkpoints."""

import shutil
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.generation.conftest import TINY, Studio, make_studio, pictures
from webui.contract.events import Finished, Notice, Word
from webui.contract.infotext import read
from webui.weights.torchvision_guard import mend_torchvision

mend_torchvision()

from webui.weights.adapters.places import find_places  # noqa: E402 - after the guard
from webui.weights.loading import load_checkpoint  # noqa: E402

QUICK = {"sampling.sampler": "euler", "sampling.steps": 4}


def write_lora(path: Path, checkpoint: Path, dialects: tuple[str, ...], alias: str = "") -> None:
    """A small LoRA of rank 2 for every matrix that has a name in one of these dialects."""
    torch.manual_seed(3)
    tensors: dict[str, torch.Tensor] = {}
    for name, place in find_places(load_checkpoint(checkpoint, "cpu", torch.float32)).items():
        module = place.module
        if name.startswith(dialects) and isinstance(module, nn.Linear):
            tensors[f"{name}.lora_up.weight"] = torch.randn(module.out_features, 2) * 0.1
            tensors[f"{name}.lora_down.weight"] = torch.randn(2, module.in_features) * 0.1
            tensors[f"{name}.alpha"] = torch.tensor(2.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, {"ss_output_name": alias})


@pytest.fixture(scope="module")
def models(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints, a LoRA for each half of them, one for both, and files that are no good."""
    folder = tmp_path_factory.mktemp("lora-models")
    shutil.copytree(tiny_folder, folder / "tiny")
    shutil.copytree(tiny_folder, folder / "other")
    unet, text = ("lora_unet_down_blocks", "lora_unet_mid"), ("lora_te_text_model",)
    write_lora(folder / "Lora" / "both.safetensors", tiny_folder, unet + text, "Evening wash")
    write_lora(folder / "Lora" / "deep" / "words.safetensors", tiny_folder, text)
    write_lora(folder / "LyCORIS" / "strokes.safetensors", tiny_folder, unet)
    save_file({"lora_unet_nowhere.alpha": torch.ones(1)}, folder / "Lora" / "alien.safetensors")
    (folder / "Lora" / "broken.safetensors").write_bytes(b"no tensors at all")
    return folder


@pytest.fixture(scope="module")
def studio(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    defaults = {**TINY, **QUICK, "model.checkpoint": "tiny"}
    return make_studio(models, tmp_path_factory.mktemp("lora-data"), defaults, keep_models=2)


def painted(
    studio: Studio, tags: str = "", values: Mapping[str, object] | None = None
) -> np.ndarray:
    picture = studio.picture({"prompt.positive": f"a red house{tags}", **(values or {})})
    return picture.astype(np.float64)


def notices(studio: Studio, tags: str) -> list[str]:
    events = studio.run(studio.request({"prompt.positive": f"a red house{tags}"}))
    assert isinstance(events[-1], Finished)
    assert len(pictures(events)) == 1
    return [event.sentence for event in events if isinstance(event, Notice)]


def test_strength_zero_is_the_picture_without_it_to_the_bit(studio: Studio) -> None:
    plain = painted(studio)
    assert np.array_equal(plain, painted(studio, "<lora:both:0>"))
    assert not np.array_equal(plain, painted(studio, "<lora:both:1>"))
    assert np.array_equal(plain, painted(studio))


@pytest.mark.parametrize("name", ["words", "strokes"])
def test_the_picture_changes_in_proportion_to_the_strength(studio: Studio, name: str) -> None:
    plain = painted(studio)
    changes = [(painted(studio, f"<lora:{name}:{w}>") - plain).std() for w in (0.5, 1, 2)]
    for less, more in pairwise(changes):
        assert 1.4 < more / less < 2.3  # levels of 8 bits blur small changes


def test_both_halves_have_their_own_strength(studio: Studio) -> None:
    words, strokes = painted(studio, "<lora:both:1:0>"), painted(studio, "<lora:both:0:1>")
    whole, plain = painted(studio, "<lora:both:1>"), painted(studio)
    made = [words, strokes, whole, plain]
    assert all(not np.array_equal(a, b) for n, a in enumerate(made) for b in made[:n])
    assert np.array_equal(strokes, painted(studio, "<lora:both:unet=1:te=0>"))
    assert np.array_equal(whole, painted(studio, "<lora:both:1:1:2>"))
    assert not np.array_equal(whole, painted(studio, "<lora:both:1:1:1>"))


def test_an_encoding_made_under_a_network_is_not_used_without_it(studio: Studio) -> None:
    """The prompt is the same text: the negative one here, and a hires prompt that differs."""
    values = {"prompt.negative": "a dog", "prompt.positive": ""}
    plain = studio.picture(values)
    under = studio.picture({**values, "prompt.positive": "<lora:words:3>"})
    assert not np.array_equal(plain, under)
    assert np.array_equal(plain, studio.picture(values))
    assert np.array_equal(under, studio.picture({**values, "prompt.positive": "<lora:words:3>"}))


def test_a_network_is_taken_off_again_in_a_changing_series(studio: Studio) -> None:
    tags = ["", "<lora:both:1>", "<lora:strokes:0.5><lora:words:2>"]
    first = [painted(studio, tag) for tag in tags]
    for turn in (2, 0, 1, 1, 2, 0, 2, 1, 0, 0):
        assert np.array_equal(painted(studio, tags[turn]), first[turn])


def test_the_hires_prompt_brings_its_own_networks(studio: Studio) -> None:
    hires = {"hires.steps": 2, "hires.scale": 2.0, "hires.denoising_strength": 0.7}
    same = painted(studio, "<lora:both:1>", hires)
    spelled = {**hires, "hires.prompt": "a red house<lora:both:1>"}
    assert np.array_equal(same, painted(studio, "<lora:both:1>", spelled))
    without = {**hires, "hires.prompt": "a red house"}
    assert not np.array_equal(same, painted(studio, "<lora:both:1>", without))


def test_the_refiner_wears_the_networks_too(studio: Studio) -> None:
    values = {"refiner.checkpoint": "other", "refiner.switch_at": 0.5}
    refined = painted(studio, "<lora:both:2>", values)
    # The other checkpoint has the same weights, so the relay must not be seen.
    assert np.array_equal(refined, painted(studio, "<lora:both:2>"))


def test_what_cannot_be_applied_is_said_and_the_picture_is_made(studio: Studio) -> None:
    assert notices(studio, "<lora:both:1>") == []
    assert notices(studio, "<lora:nobody:1><lora:nobody:1>") == ["Lora not found: nobody"]
    assert "changes nothing" in notices(studio, "<lora:alien:1>")[0]
    assert notices(studio, "<lora:broken:1>")[0].startswith("Lora left out: broken")
    assert notices(studio, "<hypernet:x:1>") == ["Hypernetwork not found: x"]
    assert np.array_equal(painted(studio), painted(studio, "<lora:nobody:1>"))


def test_tags_of_a_negative_prompt_are_text(studio: Studio) -> None:
    events = studio.run(studio.request({"prompt.negative": "<lora:nobody:1>"}))
    assert [e for e in events if isinstance(e, Notice)] == []


def test_a_network_answers_to_its_trainers_name(studio: Studio) -> None:
    assert np.array_equal(painted(studio, "<lora:both:1>"), painted(studio, "<lyco:evening wash>"))


def test_infotext_has_the_hashes_and_reads_them(studio: Studio) -> None:
    tags = "a red house <lora:both:1> <lora:Evening wash:0.5> <lora:nobody:1>"
    made = pictures(studio.run(studio.request({"prompt.positive": tags})))[0]
    digest = made.execution.lora_hashes.split(": ")[1][:12]
    assert f'Lora hashes: "both: {digest}, Evening wash: {digest}"' in made.infotext
    restored = read(made.infotext, {"loras": (Word(id="both", label="both", aliases=(digest,)),)})
    renamed = tags.replace("Evening wash", "both")
    assert restored.request.prompt.positive == renamed
    assert "Lora not found here: nobody" in restored.notices
    assert not any("Lora hashes" in notice for notice in restored.notices)
