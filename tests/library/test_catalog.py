"""The catalog finds checkpoints by every name that people use for them."""

import hashlib
import json
import math
import os
import random
import struct
from pathlib import Path

import pytest

from webui.errors import NotFound, Unavailable
from webui.library.catalog import Catalog
from webui.library.hashes import HashCache
from webui.library.shelf import Shelf


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


def big(path: Path, said: dict[str, str] | None = None) -> Path:
    """A checkpoint of more than a MiB, as the oldest hash asks for."""
    size = 2**20 + 70_000
    entry = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
    header = {"__metadata__": said or {}, "model.diffusion_model.x": entry}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + random.Random(3).randbytes(size))
    return path


def test_hashes_old_and_new_find_the_file(models: Path, catalog: Catalog) -> None:
    path = big(models / "Stable-diffusion" / "photo.safetensors")
    data = path.read_bytes()
    old = hashlib.sha256(data[2**20 : 2**20 + 2**16]).hexdigest()[:8]
    body = hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
    assert catalog.resolve(old).stem == catalog.resolve(f"photo [{old}]").stem == "photo"
    assert catalog.find("checkpoint", body[:12]) is None
    catalog.hashes.tensors_sha256(path)
    catalog.hashes.sha256(path)
    whole = hashlib.sha256(data).hexdigest()
    for name in (body[:12], body, whole, whole[:10], f"photo.safetensors [{whole[:10]}]"):
        assert catalog.resolve(name).stem == "photo"


def test_the_hash_that_a_trainer_wrote_is_a_name_too(models: Path, catalog: Catalog) -> None:
    big(models / "told.safetensors", {"sshs_model_hash": "cd" * 32})
    assert catalog.resolve("cd" * 6).stem == "told"


def test_part_of_a_title_finds_the_shortest(models: Path, catalog: Catalog) -> None:
    folder = models / "Stable-diffusion"
    big(folder / "photo real v2.safetensors")
    big(folder / "photo real v2 inpainting.safetensors")
    assert catalog.resolve("real v2").stem == "photo real v2"
    assert catalog.resolve("photo real v2.safetensors [0123456789]").stem == "photo real v2"


def test_every_kind_is_listed_by_header_first_and_folder_second(
    models: Path, catalog: Catalog
) -> None:
    put(models / "Stable-diffusion" / "word.safetensors", "emb_params", [1, 768])
    (models / "embeddings").mkdir()
    (models / "embeddings" / "odd.safetensors").write_bytes(b"?")
    (models / "GFPGAN").mkdir()
    (models / "GFPGAN" / "face.safetensors").write_bytes(b"?")
    assert [f.stem for f in catalog.files("embedding")] == ["odd", "word"]
    assert "not a safetensors file" in catalog.files("embedding")[0].problem
    assert [f.stem for f in catalog.files("lora")] == ["style"]
    assert [f.stem for f in catalog.files("checkpoint")] == ["Dreamy", "starter"]
    assert [f.stem for f in catalog.files("unknown")] == ["face"]


def test_an_autoencoder_is_paired_by_name_beside_or_among_its_kind(
    models: Path, catalog: Catalog
) -> None:
    assert catalog.paired_vae(catalog.resolve("starter")) is None
    found = catalog.paired_vae(catalog.resolve("Dreamy"))
    assert found is not None
    assert found.name == "Dreamy.vae.safetensors"
    (models / "VAE").mkdir()
    (models / "VAE" / "starter.safetensors").write_bytes(b"?")
    paired = catalog.paired_vae(catalog.resolve("starter"))
    assert paired is not None
    assert paired.path.parent.name == "VAE"


def test_a_patient_catalog_looks_again_for_what_it_does_not_know(
    models: Path, tmp_path: Path
) -> None:
    shelf = Shelf([models], patience=3600)
    patient = Catalog([], HashCache(tmp_path / "hashes.json"), shelf)
    before = patient.checkpoints()
    put(models / "late.safetensors", "model.diffusion_model.x", [1])
    assert patient.checkpoints() == before
    assert patient.resolve("late").stem == "late"
    (models / "late.safetensors").unlink()
    shelf.refresh()
    assert patient.checkpoints() == before


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
