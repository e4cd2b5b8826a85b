"""Stable Diffusion 3 and FLUX from small files in the true key layout, beside diffusers' pipelines.

T5's tokenizer is the small one of tests/prompts/t5.
"""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.weights.transformer_files import (
    flux_shapes,
    sd3_shapes,
    write_parts,
    write_whole,
)
from webui.errors import UnsupportedModel
from webui.library.companions import NOTHING, Surroundings
from webui.weights.checkpoint import Checkpoint
from webui.weights.loading import load_checkpoint

T5_FOLDER = Path(__file__).parents[1] / "prompts" / "t5"
ROWS = {
    "flux_dev": "flux_dev",
    "flux_schnell": "flux_schnell",
    "flux_fill": "flux_fill",
    "sd3_medium": "sd3_medium",
    "sd35_medium": "sd35_medium",
    "sd35_large": "sd35_large",
}


def write_model(path: Path, layout: str) -> Path:
    """A whole model in one file, with T5's tokenizer beside it."""
    is_flux = layout.startswith("flux")
    parts = flux_shapes(layout) if is_flux else sd3_shapes(layout)
    write_whole(path, parts, vae="vae." if is_flux else "first_stage_model.")
    shutil.copy(T5_FOLDER / "spiece.model", path.parent)
    return path


def load(path: Path, about: Surroundings = NOTHING) -> Checkpoint:
    return load_checkpoint(path, "cpu", torch.float32, about=about)


@pytest.mark.parametrize("layout", list(ROWS))
def test_a_whole_file_is_its_familys(layout: str, tmp_path: Path) -> None:
    checkpoint = load(write_model(tmp_path / "model.safetensors", layout))
    assert checkpoint.family.name == ROWS[layout]
    assert len(checkpoint.text_encoders) == (2 if layout.startswith("flux") else 3)
    assert checkpoint.latent == checkpoint.family.latent
    assert all(not p.is_meta for m in checkpoint.modules.values() for p in m.parameters())
    assert all(not b.is_meta for m in checkpoint.modules.values() for b in m.buffers())


def test_kontext_is_told_by_its_name(tmp_path: Path) -> None:
    path = write_model(tmp_path / "flux1-dev-kontext.safetensors", "flux_dev")
    assert load(path).family.name == "flux_kontext"


@pytest.mark.parametrize("chosen", [True, False])
def test_a_bare_transformer_takes_its_other_parts_from_beside(chosen: bool, tmp_path: Path) -> None:
    whole = load(write_model(tmp_path / "whole" / "model.safetensors", "flux_dev"))
    files = write_parts(tmp_path / "parts", flux_shapes("flux_dev"))
    main = files.pop("transformer")
    beside = tuple(files.values())
    about = Surroundings(beside if chosen else (), () if chosen else beside, (T5_FOLDER,))
    gathered = load(main, about)
    for name, module in whole.modules.items():
        other = gathered.modules[name].state_dict()
        assert all(torch.equal(t, other[n]) for n, t in module.state_dict().items())


def test_a_vae_in_the_names_of_diffusers_serves_too(tmp_path: Path) -> None:
    whole = load(write_model(tmp_path / "whole" / "model.safetensors", "flux_dev"))
    files = write_parts(tmp_path / "parts", flux_shapes("flux_dev"))
    save_file(whole.vae.state_dict(), files["vae"])
    (tmp_path / "broken.safetensors").write_bytes(b"nothing of a model")
    found = (tmp_path / "broken.safetensors", files["vae"], files["clip_l"], files["t5xxl"])
    gathered = load(files["transformer"], Surroundings((), found, (T5_FOLDER,)))
    wanted = whole.vae.state_dict()
    assert all(torch.equal(t, wanted[n]) for n, t in gathered.vae.state_dict().items())


def test_what_a_transformer_lacks_is_said_in_one_sentence(tmp_path: Path) -> None:
    files = write_parts(tmp_path, flux_shapes("flux_dev"))
    with pytest.raises(UnsupportedModel, match=r"lacks a VAE, CLIP-L and T5, and none was found"):
        load(files["transformer"])


def test_a_chosen_part_without_use_is_refused(tmp_path: Path) -> None:
    files = write_parts(tmp_path, flux_shapes("flux_dev"))
    path = write_model(tmp_path / "whole" / "model.safetensors", "flux_dev")
    with pytest.raises(UnsupportedModel, match=r"transformer.safetensors was chosen as a part"):
        load(path, Surroundings(chosen=(files["transformer"],)))


def test_stable_diffusion_3_works_without_t5(tmp_path: Path) -> None:
    parts = sd3_shapes("sd35_large")
    del parts["t5xxl"]
    path = write_whole(tmp_path / "model.safetensors", parts, vae="first_stage_model.")
    checkpoint = load(path)
    assert [encoder.folder for encoder in checkpoint.family.encoders] == [
        "text_encoder",
        "text_encoder_2",
    ]
