"""A ControlNet for the starter's UNet (Zhang and others 2023): it learns, the UNet stands still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import ControlNetModel
from torch import nn

from webui.starter.basis import Basis, Batch
from webui.starter.batches import LatentSet
from webui.starter.conditions import Mapper, stack_maps
from webui.starter.networks import attend_plainly

HINT_WIDTHS = (8, 16, 32, 64)
HINT_MAPS = 4
HINT_SIZE = 0.5
"""How large the map is beside the latents' features where it joins them; these have about 0.75."""

EMPTY_SHARE = 0.3
RATE = 1.5e-3


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


def build_controlnet(basis: Basis, mapper: Mapper, seed: int) -> ControlNetModel:
    """Copy the first half of the UNet and add a path for the map, which begins without effect."""
    torch.manual_seed(seed)
    network = ControlNetModel.from_unet(basis.unet, conditioning_embedding_out_channels=HINT_WIDTHS)
    open_hint(network, stack_maps(mapper, np.arange(HINT_MAPS)))
    return attend_plainly(network.requires_grad_(True).to(basis.device).train())


@torch.no_grad()
def open_hint(network: ControlNetModel, maps: torch.Tensor) -> None:
    """Scale the path of the maps [b, rgb, h, w] so that every layer passes them on at full size.

    As it is usually begun, eight small layers make a map a thousand times fainter on its way, and
    the last is zero, so that for a long time nothing is learned from it. What the network adds to
    the UNet is zero at first all the same.
    """
    path = network.controlnet_cond_embedding
    seen = maps
    for conv in (path.conv_in, *path.blocks, path.conv_out):
        nn.init.kaiming_normal_(conv.weight)
        nn.init.zeros_(conv.bias)
        made = conv(seen)
        size = made.std((0, 2, 3)).mean().clamp(min=1e-6)
        conv.weight /= size
        conv.bias -= made.mean((0, 2, 3)) / size
        seen = nn.functional.silu(conv(seen))
    path.conv_out.weight *= HINT_SIZE
    path.conv_out.bias *= HINT_SIZE
