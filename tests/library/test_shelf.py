"""The shelf holds every model with what lies beside it, and numbers its changes."""

from pathlib import Path

import pytest

from webui.library.shelf import Holding, Shelf


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "Lora"
    folder.mkdir(parents=True)
    for name in ("ink.safetensors", "ink.v2.safetensors", "other.safetensors", "ink.json"):
        (folder / name).write_bytes(b"?")
    for name in ("INK.preview.png", "ink.v2.civitai.info", "ink.v2.png", "stray.png", "readme"):
        (folder / name).write_bytes(b"?")
    return tmp_path / "models"


def held(shelf: Shelf) -> dict[str, Holding]:
    return {holding.path.name: holding for holding in shelf.holdings()}


def test_what_lies_beside_a_model_goes_to_the_longest_stem(models: Path) -> None:
    found = held(Shelf([models]))
    assert found["ink.safetensors"].beside == ("INK.preview.png", "ink.json")
    assert found["ink.v2.safetensors"].beside == ("ink.v2.civitai.info", "ink.v2.png")
    assert found["other.safetensors"].beside == ()


def test_the_number_changes_with_the_models_alone(models: Path) -> None:
    shelf = Shelf([models])
    _, first = shelf.state()
    assert shelf.state()[1] == first
    (models / "Lora" / "ink.safetensors").write_bytes(b"!!")
    assert shelf.state()[1] == first  # damaged as before
    (models / "Lora" / "new.safetensors").write_bytes(b"?")
    assert shelf.state()[1] != first


def test_a_folder_in_diffusers_layout_is_one_model(models: Path) -> None:
    folder = models / "mine" / "painter"
    (folder / "unet").mkdir(parents=True)
    (folder / "loras").mkdir()
    (folder / "model_index.json").write_bytes(b"{}")
    (folder / "unet" / "network.safetensors").write_bytes(b"?")
    (folder / "loras" / "own.safetensors").write_bytes(b"?")
    found = held(Shelf([models]))
    assert found["painter"].layout == "diffusers"
    assert found["painter"].name == "mine/painter"
    assert found["own.safetensors"].kind == "lora"
    assert "network.safetensors" not in found


def test_folders_that_are_not_there_hold_nothing(tmp_path: Path) -> None:
    assert Shelf([tmp_path / "gone"]).holdings() == ()


def test_files_in_both_formats_are_held(models: Path) -> None:
    (models / "unet").mkdir()
    (models / "unet" / "small.GGUF").write_bytes(b"?")
    assert held(Shelf([models]))["small.GGUF"].kind == "checkpoint"
