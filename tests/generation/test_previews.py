"""Previews come from the model's own previewer where it brings one."""

import io
import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import save_file

from tests.generation.conftest import TINY, make_studio
from webui.contract.events import Preview
from webui.generation.latents import show
from webui.weights.previewer import FILE, FOLDER, Previewer


def test_a_previewer_shows_half_the_finished_size() -> None:
    assert show(Previewer(), torch.zeros(4, 6, 5)).size == (20, 24)


def test_a_models_own_previewer_makes_the_previews(tiny_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "models" / "tiny"))
    state = {name: torch.zeros_like(t) for name, t in Previewer().state_dict().items()}
    state["leave.bias"] = torch.tensor([1.0, -1.0, -1.0])  # red, whatever the latent
    (folder / FOLDER).mkdir()
    save_file(state, folder / FOLDER / FILE)
    studio = make_studio(tmp_path / "models", tmp_path / "data", TINY)
    previews = [event for event in studio.run(studio.request()) if isinstance(event, Preview)]
    assert previews
    colour = np.asarray(Image.open(io.BytesIO(previews[0].jpeg))).mean((0, 1))
    assert np.abs(colour - (255, 0, 0)).max() < 4


def test_the_setting_chooses_what_shows_unfinished_pictures(
    tiny_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "models" / "tiny")
    decoder = AutoencoderTiny(latent_channels=4).decoder
    state = {f"{int(n.split('.')[1]) + 1}.{n.split('.', 2)[2]}": torch.zeros_like(t)
             for n, t in decoder.state_dict().items()}  # fmt: skip
    state["19.bias"] = torch.tensor([0.0, 1.0, 0.0])  # green, whatever the latent
    folder = tmp_path / "models" / "VAE-approx"
    folder.mkdir()
    save_file(state, folder / "taesd_decoder.safetensors")
    shown: dict[str, np.ndarray] = {}
    for method in ("auto", "taesd", "cheap", "full"):
        data = tmp_path / method
        studio = make_studio(tmp_path / "models", data, TINY, preview_method=method)
        events = studio.run(studio.request())
        preview = next(event for event in events if isinstance(event, Preview))
        shown[method] = np.asarray(Image.open(io.BytesIO(preview.jpeg))).mean((0, 1))
    green = (0, 255, 0)
    for method, colour in shown.items():
        assert (np.abs(colour - green).max() < 4) == (method in ("auto", "taesd"))


def test_a_broken_decoder_costs_no_picture(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "models" / "tiny")
    folder = tmp_path / "models" / "VAE-approx"
    folder.mkdir()
    state = {"1.weight": torch.zeros(64, 4, 3, 3), "3.conv.0.weight": torch.zeros(64, 64, 3, 3)}
    save_file(state, folder / "taesd_decoder.safetensors")
    studio = make_studio(tmp_path / "models", tmp_path / "data", TINY)
    assert any(isinstance(event, Preview) for event in studio.run(studio.request()))
