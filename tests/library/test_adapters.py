"""LoRA files are found by the names that prompts call them."""

import hashlib
import json
from pathlib import Path

import pytest

from webui.library.adapters import AdapterCatalog
from webui.library.hashes import HashCache

DATA = b"four"


def write(path: Path, alias: str = "", data: bytes = DATA) -> Path:
    entry = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}
    header = {"__metadata__": {"ss_output_name": alias}, "x.alpha": entry}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def put(path: Path, name: str, said: dict[str, str] | None = None) -> None:
    entry = {"dtype": "U8", "shape": [2, 2], "data_offsets": [0, 4]}
    text = json.dumps({"__metadata__": said or {}, name: entry}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + DATA)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    write(folder / "Lora" / "ink.safetensors", "Ink wash")
    write(folder / "Lora" / "people" / "anna.safetensors", "twin")
    write(folder / "LyCORIS" / "berta.safetensors", "twin")
    write(folder / "LyCORIS" / "ink.safetensors", "second")
    write(folder / "Lora" / ".hidden" / "secret.safetensors")
    write(folder / "Stable-diffusion" / "big.safetensors")
    (folder / "Lora" / "old.pt").write_bytes(b"pickle")
    (folder / "Lora" / "broken.safetensors").write_bytes(b"not one")
    return folder


@pytest.fixture
def catalog(models: Path, tmp_path: Path) -> AdapterCatalog:
    return AdapterCatalog([models, tmp_path / "absent"], HashCache(tmp_path / "hashes.json"))


def test_both_folders_are_read_with_all_below_them(catalog: AdapterCatalog) -> None:
    assert [file.name for file in catalog.files()] == ["anna", "berta", "broken", "ink"]


def test_a_model_brings_its_own(catalog: AdapterCatalog, models: Path) -> None:
    write(models / "starter" / "lora" / "sunset.safetensors")
    write(models / "starter" / "unet" / "network.safetensors")
    (models / "starter" / "model_index.json").write_text("{}", encoding="utf-8")
    assert catalog.find("sunset") is not None
    assert catalog.find("network") is None


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("anna", "anna"),
        ("INK", "ink"),
        ("ink wash", "ink"),
        ("twin", None),  # two files are called that
        ("second", None),  # that file is hidden behind one of the same name
        ("none", None),
        ("", None),
        ("old", None),
        ("big", None),
        ("secret", None),
    ],
)
def test_files_answer_to_their_name_and_to_their_trainers(
    catalog: AdapterCatalog, name: str, found: str | None
) -> None:
    file = catalog.find(name)
    assert (file.name if file else None) == found


def test_the_first_folder_wins_and_new_files_are_seen(
    catalog: AdapterCatalog, models: Path
) -> None:
    file = catalog.find("ink")
    assert file is not None
    assert file.path.parent.name == "Lora"
    assert catalog.find("fresh") is None
    write(models / "Lora" / "fresh.safetensors")
    assert catalog.find("fresh") is not None


def test_a_lora_counts_in_any_folder_and_nothing_else_does_among_the_loras(
    catalog: AdapterCatalog, models: Path
) -> None:
    put(models / "elsewhere" / "stray.safetensors", "lora_unet_x.lora_down.weight")
    put(models / "Lora" / "whole.safetensors", "model.diffusion_model.x")
    assert [file.name for file in catalog.files()] == ["anna", "berta", "broken", "ink", "stray"]


def test_the_hash_that_a_trainer_wrote_finds_the_file(
    catalog: AdapterCatalog, models: Path
) -> None:
    put(models / "Lora" / "told.safetensors", "x.alpha", {"sshs_model_hash": "ab" * 32})
    assert [w.aliases for w in catalog.words() if w.id == "told"] == [("ab" * 6,)]


def test_the_hash_is_of_the_tensors_and_survives_an_edited_header(
    catalog: AdapterCatalog, models: Path
) -> None:
    file = catalog.find("ink")
    assert file is not None
    expected = hashlib.sha256(DATA).hexdigest()[:12]
    assert [w.aliases for w in catalog.words() if w.id == "ink"] == [("Ink wash",)]
    assert catalog.short_hash(file) == expected
    assert [w.aliases for w in catalog.words() if w.id == "ink"] == [("Ink wash", expected)]
    write(file.path, "A much longer name")
    assert catalog.short_hash(file) == expected
    write(file.path, "Ink wash", b"other tensors")
    assert catalog.short_hash(file) != expected


def test_hashes_of_file_and_tensors_do_not_mix(models: Path, tmp_path: Path) -> None:
    hashes, file = HashCache(tmp_path / "hashes.json"), models / "Lora" / "ink.safetensors"
    tensors = hashes.tensors_sha256(file)
    assert hashes.known(file) is None
    assert hashes.sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest() != tensors
    assert hashes.known_tensors(file) == tensors
    assert HashCache(tmp_path / "hashes.json").known_tensors(file) == tensors
