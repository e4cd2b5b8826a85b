"""The catalog finds checkpoints by every name that people use for them."""

import json
import math
import os
import struct
from pathlib import Path

import pytest

from webui.errors import NotFound, Unavailable
from webui.library.catalog import Catalog
from webui.library.hashes import HashCache


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    (folder / "starter" / "unet").mkdir(parents=True)
    (folder / "starter" / "model_index.json").write_text("{}", encoding="utf-8")
    (folder / "starter" / "unet" / "w.safetensors").write_bytes(b"w")
    (folder / "Stable-diffusion" / "anime").mkdir(parents=True)
    (folder / "Stable-diffusion" / "anime" / "Dreamy.safetensors").write_bytes(b"dream")
    (folder / "Stable-diffusion" / "Dreamy.vae.safetensors").write_bytes(b"vae")
    (folder / "Lora").mkdir()
    (folder / "Lora" / "style.safetensors").write_bytes(b"lora")
    return folder


@pytest.fixture
def catalog(models: Path, tmp_path: Path) -> Catalog:
    return Catalog([models], HashCache(tmp_path / "hashes.json"))


def test_checkpoints_are_listed_and_other_kinds_are_not(catalog: Catalog) -> None:
    assert [f.name for f in catalog.checkpoints()] == ["anime/Dreamy.safetensors", "starter"]


def put(path: Path, name: str, shape: list[int]) -> None:
    entry = {"dtype": "U8", "shape": shape, "data_offsets": [0, math.prod(shape)]}
    text = json.dumps({name: entry}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(math.prod(shape)))


def test_a_file_in_the_wrong_folder_is_no_checkpoint(models: Path, catalog: Catalog) -> None:
    folder = models / "Stable-diffusion"
    put(folder / "word.safetensors", "emb_params", [1, 768])
    put(folder / "style.safetensors", "lora_unet_x.lora_down.weight", [1, 4])
    put(folder / "model.safetensors", "model.diffusion_model.x", [1])
    (folder / "hostile.safetensors").write_bytes(struct.pack("<Q", 2**63) + b"{}")
    found = {f.name: f.identity.kind for f in catalog.checkpoints() if f.identity is not None}
    assert found == {
        "anime/Dreamy.safetensors": "unknown",
        "hostile.safetensors": "unknown",
        "model.safetensors": "checkpoint",
    }


def test_no_name_means_the_starter_model(catalog: Catalog) -> None:
    assert catalog.resolve("").name == "starter"


@pytest.mark.parametrize(
    "name", ["anime/Dreamy.safetensors", "dreamy", "Dreamy.safetensors", "anime_Dreamy"]
)
def test_a_checkpoint_answers_to_its_names(catalog: Catalog, name: str) -> None:
    assert catalog.resolve(name).stem == "Dreamy"


def test_a_hash_once_computed_is_in_the_title_and_finds_the_file(catalog: Catalog) -> None:
    file = catalog.resolve("Dreamy")
    sha256 = catalog.hashes.sha256(file.weights)
    assert catalog.resolve(sha256[:10]).name == file.name
    assert catalog.resolve(f"anime/Dreamy.safetensors [{sha256[:10]}]").name == file.name


def test_a_changed_file_is_hashed_again(catalog: Catalog) -> None:
    file = catalog.resolve("Dreamy")
    before = catalog.hashes.sha256(file.weights)
    file.weights.write_bytes(b"another dream")
    assert catalog.hashes.sha256(file.weights) != before


def test_an_unknown_name_offers_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(NotFound) as caught:
        catalog.resolve("startr")
    assert caught.value.nearest == ("starter",)
    assert caught.value.field == "model.checkpoint"


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_that_leads_back_up_ends(models: Path, catalog: Catalog) -> None:
    (models / "Stable-diffusion" / "loop").symlink_to(models, target_is_directory=True)
    assert {f.stem for f in catalog.checkpoints()} == {"Dreamy", "starter"}


def test_without_any_checkpoint_a_sentence_says_where_to_put_one(tmp_path: Path) -> None:
    empty = Catalog([tmp_path], HashCache(tmp_path / "hashes.json"))
    with pytest.raises(Unavailable, match=r"put a \.safetensors file"):
        empty.resolve("")
