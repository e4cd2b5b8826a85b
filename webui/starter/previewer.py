"""The previewer stage: from latents, also unfinished ones, to pictures of half their size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from webui.starter.batches import LatentSet, draw_latents
from webui.starter.gallery import Gallery, to_pixels
from webui.starter.states import seed_step
from webui.weights.previewer import Previewer

RATE = 3e-3
FAULT = 0.3
"""The largest deviation of noise on latents in training; what is shown is seldom finished."""


@dataclass
class PreviewerLesson:
    """Latents and the pictures that they stand for."""

    gallery: Gallery
    source: LatentSet
    model: Previewer
    device: str
    seed: int
    stage: int

    def learn(self, step: int) -> torch.Tensor:
        """Show the latents of ``step``; returns the error against the pictures."""
        generator, rng = seed_step(self.seed, step, self.stage)
        picked = rng.integers(len(self.source.scenes), size=self.source.batch)
        latents = draw_latents(self.source, picked, generator)
        fault = torch.rand(len(picked), 1, 1, 1, generator=generator) * FAULT
        latents = latents + fault * torch.randn(latents.shape, generator=generator)
        side = self.gallery.size // 2
        pictures = [
            cv2.resize(self.gallery.pictures[row], (side, side), interpolation=cv2.INTER_AREA)
            for row in self.source.rows[picked]
        ]
        target = to_pixels(np.stack(pictures), self.device)
        gap = self.model(latents.to(self.device)) - target
        return gap.abs().mean() + (gap**2).mean()
