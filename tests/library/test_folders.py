"""Every kind of model has its folder, under whichever of its names that folder goes."""

from pathlib import Path

import pytest

from webui.library.folders import (
    NAMES,
    base_name,
    folder_for,
    model_folders,
    older_folders,
    place_of,
)
from webui.library.identify import KINDS, Kind


def test_every_kind_but_the_unknown_has_a_folder() -> None:
    assert set(NAMES) == set(KINDS) - {"unknown"}


def test_no_name_stands_for_two_kinds() -> None:
    names = [name.casefold() for kind in NAMES.values() for name in kind]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("inside", "place"),
    [
        ("Stable-diffusion", "checkpoint"),
        ("stable-diffusion/anime", "checkpoint"),
        ("Lora/embeddings", "lora"),
        ("mine/loras", "lora"),
        ("upscale_models", "upscaler"),
        ("SwinIR", "upscaler"),
        ("GFPGAN", "other"),
        ("mine", ""),
        (".", ""),
    ],
)
def test_a_folder_says_what_its_models_are_meant_to_be(inside: str, place: str) -> None:
    root = Path("/disk/models")
    assert place_of(root, root / inside) == place


def test_a_models_folder_may_be_the_folder_of_a_kind() -> None:
    assert place_of(Path("/disk/Lora"), Path("/disk/Lora/people")) == "lora"


@pytest.mark.parametrize("kind", NAMES)
def test_a_new_file_goes_into_the_folder_that_is_there(tmp_path: Path, kind: Kind) -> None:
    assert folder_for(tmp_path, kind) == tmp_path / NAMES[kind][0]
    other = tmp_path / NAMES[kind][-1].upper()
    other.mkdir()
    assert folder_for(tmp_path, kind) == other


def test_what_is_unknown_goes_into_no_kind_s_folder(tmp_path: Path) -> None:
    assert folder_for(tmp_path, "unknown") == tmp_path


def test_a_lycoris_file_goes_among_the_loras_where_it_has_no_folder(tmp_path: Path) -> None:
    (tmp_path / "Lora").mkdir()
    assert folder_for(tmp_path, "lycoris") == tmp_path / "Lora"


def test_an_older_installation_has_three_folders(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "embeddings").mkdir()
    assert older_folders(tmp_path) == (tmp_path / "models", tmp_path / "embeddings")


def test_our_own_folder_comes_first_and_none_twice(tmp_path: Path) -> None:
    own, more = tmp_path / "own", tmp_path / "more"
    assert model_folders(own, [more, own], tmp_path / "b") == (own, more, tmp_path / "b")


@pytest.mark.parametrize(
    ("inside", "name"),
    [
        ("Stable-diffusion/anime/x.safetensors", "anime/x.safetensors"),
        ("checkpoints/x.safetensors", "x.safetensors"),
        ("x.safetensors", "x.safetensors"),
        ("mine/x.safetensors", "mine/x.safetensors"),
    ],
)
def test_a_model_s_name_leaves_out_the_folder_of_its_kind(inside: str, name: str) -> None:
    assert base_name(Path("/m"), Path("/m") / inside) == name
