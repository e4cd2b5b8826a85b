"""A ControlNet for the starter's UNet (Zhang and others 2023): it learns, the UNet stands still."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import ControlNetModel

from webui.starter.basis import Basis, Batch
from webui.starter.batches import LatentSet
from webui.starter.conditions import Mapper, stack_maps
from webui.starter.networks import attend_plainly

HINT_WIDTHS = (8, 16, 32, 64)
EMPTY_SHARE = 0.3
RATE = 6e-4


@dataclass
class ControlLesson:
    """One kind of condition: its maps, the scenes it is learned from, and its random stage."""

    basis: Basis
    source: LatentSet
    mapper: Mapper
    network: ControlNetModel
    seed: int
    stage: int

    def learn(self, step: int) -> torch.Tensor:
        """Guess v under the condition maps of the batch of ``step``; returns the loss."""
        batch = self.basis.draw(self.source, (self.seed, step, self.stage), EMPTY_SHARE)
        return self.basis.grade(batch, self.guess)

    def guess(self, batch: Batch) -> torch.Tensor:
        """Guess v [b, 4, h, w]."""
        noisy, times = batch.noised.latents, batch.noised.times
        states = self.basis.read(batch.ids)
        maps = stack_maps(self.mapper, batch.rows).to(noisy.device)
        down, middle = self.network(noisy, times, states, maps, return_dict=False)
        return self.basis.unet(
            noisy,
            times,
            states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample


def build_controlnet(basis: Basis, seed: int) -> ControlNetModel:
    """Copy the first half of the UNet and add a path for the map, which begins without effect."""
    torch.manual_seed(seed)
    network = ControlNetModel.from_unet(basis.unet, conditioning_embedding_out_channels=HINT_WIDTHS)
    return attend_plainly(network.requires_grad_(True).to(basis.device).train())
