"""Embeddings in whole runs, on a tiny random checkpoint whose word vectors are 32 wide."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.generation.conftest import TINY, Studio, make_studio, pictures
from tests.tiny import TEXT_WIDTH
from webui.contract.events import Notice, Word
from webui.contract.infotext import read

QUICK = {"sampling.sampler": "euler", "sampling.steps": 2, "model.checkpoint": "tiny"}


def vectors(seed: int, width: int = TEXT_WIDTH, count: int = 2) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) * 0.3


def write_embeddings(folder: Path) -> None:
    """Files of every form, and some that are no good."""
    folder.mkdir(parents=True)
    save_file({"emb_params": vectors(1)}, folder / "polarnight.safetensors")
    save_file({"<polar-night>": vectors(1)}, folder / "boreal.safetensors")
    save_file({"emb_params": vectors(2)[0]}, folder / "single.safetensors")
    save_file({"emb_params": vectors(3, 768)}, folder / "bigword.safetensors")
    pair = {"clip_l": vectors(4), "clip_g": vectors(5, 40)}
    save_file(pair, folder / "pairword.safetensors")
    (folder / "oldword.pt").write_bytes(b"never opened")
    (folder / "picword.png").write_bytes(b"never opened")
    (folder / "polarnight.preview.png").write_bytes(b"a preview")


@pytest.fixture(scope="module")
def models(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedding-models")
    shutil.copytree(tiny_folder, folder / "tiny")
    write_embeddings(folder / "embeddings")
    (folder / "Lora").mkdir()
    key = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    bundle = {
        "bundle_emb.firefly.string_to_param.*": vectors(6),
        f"{key}.lora_up.weight": torch.zeros(TEXT_WIDTH, 1),
        f"{key}.lora_down.weight": torch.zeros(1, TEXT_WIDTH),
    }
    save_file(bundle, folder / "Lora" / "swarm.safetensors")
    return folder


@pytest.fixture(scope="module")
def studio(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return make_studio(models, tmp_path_factory.mktemp("embedding-data"), {**TINY, **QUICK})


def painted(studio: Studio, prompt: str) -> np.ndarray:
    return studio.picture({"prompt.positive": prompt})


def notices(studio: Studio, prompt: str) -> list[str]:
    events = studio.run(studio.request({"prompt.positive": prompt}))
    return [event.sentence for event in events if isinstance(event, Notice)]


def test_every_form_of_the_file_says_the_same(studio: Studio) -> None:
    plain, word = painted(studio, "a red house"), painted(studio, "a polarnight house")
    assert not np.array_equal(plain, word)
    assert np.array_equal(word, painted(studio, "a boreal house"))
    assert np.array_equal(word, painted(studio, "a PolarNight house"))
    assert not np.array_equal(word, painted(studio, "a (polarnight:1.5) house"))
    assert not np.array_equal(word, painted(studio, "a single house"))


def test_what_does_not_fit_stays_text_and_is_said(studio: Studio) -> None:
    (said,) = notices(studio, "a bigword house")
    assert said.startswith("The embedding bigword.safetensors is made for Stable Diffusion 1.x")
    assert "pairword.safetensors" in notices(studio, "pairword")[0]
    assert "models convert" in notices(studio, "an oldword house")[0]
    assert "inside pictures are not read" in notices(studio, "a picword")[0]
    assert notices(studio, "a bigworded polarnight.preview") == []


def test_a_replaced_file_is_read_anew(studio: Studio, models: Path) -> None:
    path = models / "embeddings" / "single.safetensors"
    before = painted(studio, "a single house")
    kept = path.read_bytes()
    save_file({"emb_params": vectors(9, count=3)}, path)
    assert not np.array_equal(before, painted(studio, "a single house"))
    path.write_bytes(kept)
    assert np.array_equal(before, painted(studio, "a single house"))


def test_a_lora_brings_words_along_while_it_is_in_force(studio: Studio) -> None:
    plain = painted(studio, "a firefly house")
    bundled = painted(studio, "a firefly house<lora:swarm:1>")
    assert not np.array_equal(plain, bundled)
    assert np.array_equal(plain, painted(studio, "a firefly house"))
    assert notices(studio, "a firefly house<lora:swarm:1>") == []


def test_infotext_has_the_hashes_and_reads_them(studio: Studio) -> None:
    values = {"prompt.positive": "a polarnight house", "prompt.negative": "boreal"}
    made = pictures(studio.run(studio.request(values)))[0]
    hashes = dict(pair.split(": ") for pair in made.execution.embedding_hashes.split(", "))
    assert list(hashes) == ["polarnight", "boreal"]
    assert f'TI hashes: "{made.execution.embedding_hashes}"' in made.infotext
    here = Word(id="aurora", label="aurora", aliases=(hashes["polarnight"],))
    restored = read(made.infotext, {"embeddings": (here,)})
    assert restored.request.prompt.positive == "a aurora house"
    assert "Embedding not found here: boreal" in restored.notices
    assert not any("TI hashes" in notice for notice in restored.notices)
    # Remembered encodings tell their embeddings as well.
    again = pictures(studio.run(studio.request(values)))[0]
    assert again.execution.embedding_hashes == made.execution.embedding_hashes
