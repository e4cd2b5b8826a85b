"""The second checkpoint: the same world in ink on paper, whatever style the words ask for."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from webui.starter.basis import Basis, Batch
from webui.starter.batches import LatentSet
from webui.starter.gallery import Theme
from webui.starter.networks import attend_plainly
from webui.starter.scenes import Rendering, Scene, render_scene

INK = np.array((24.0, 28.0, 58.0))
PAPER = np.array((246.0, 238.0, 220.0))
NIGHT_WASH = 0.45
CONTRAST = 1.25
INK_FOLDER = "ink"
EMPTY_SHARE = 0.10
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


@dataclass
class InkLesson:
    """A copy of the UNet that learns from ink drawings with everybody's captions."""

    basis: Basis
    source: LatentSet
    unet: UNet2DConditionModel
    seed: int
    stage: int

    def learn(self, step: int) -> torch.Tensor:
        """Guess v for the batch of ``step``; returns the loss."""
        batch = self.basis.draw(self.source, (self.seed, step, self.stage), EMPTY_SHARE)
        return self.basis.grade(batch, self.guess)

    def guess(self, batch: Batch) -> torch.Tensor:
        """Guess v [b, 4, h, w]."""
        states = self.basis.read(batch.ids)
        return self.unet(batch.noised.latents, batch.noised.times, states).sample


def copy_unet(basis: Basis) -> UNet2DConditionModel:
    """Copy the UNet so that the copy can learn."""
    return attend_plainly(deepcopy(basis.unet).requires_grad_(True).train())
