"""The second checkpoint: the same world in ink on paper, whatever style the words ask for."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
from diffusers import UNet2DConditionModel

from webui.starter.basis import Basis
from webui.starter.gallery import Theme
from webui.starter.networks import attend_plainly
from webui.starter.scenes import Rendering, Scene, render_scene

INK = np.array((24.0, 28.0, 58.0))
PAPER = np.array((246.0, 238.0, 220.0))
NIGHT_WASH = 0.45
CONTRAST = 1.25
INK_FOLDER = "ink"
RATE = 8e-4


def draw_ink(scene: Scene, size: int) -> Rendering:
    """Render a scene in blue-black ink on cream paper; a night is a dark wash of it."""
    made = render_scene(replace(scene, style="sketch"), size)
    tone = made.picture.mean(2) / 255.0  # [h, w]
    tone = np.clip((tone - 1.0) * CONTRAST + 1.0, 0.0, 1.0)
    if scene.light == "night":
        tone = tone * NIGHT_WASH
    picture = INK + (PAPER - INK) * tone[..., None]
    return replace(made, picture=picture.round().astype(np.uint8))


INKED = Theme("ink", 6_000_000, lambda scene: True, draw_ink)


def copy_unet(basis: Basis) -> UNet2DConditionModel:
    """Copy the UNet so that the copy can learn."""
    return attend_plainly(deepcopy(basis.unet).requires_grad_(True).train())
