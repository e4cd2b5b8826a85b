"""Previews come from the model's own previewer where it brings one."""

import io
import shutil
from pathlib import Path

import numpy as np
import torch
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
