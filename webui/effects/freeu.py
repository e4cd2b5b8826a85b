"""FreeU, Si et al. 2023 (arXiv:2309.11497): backbone of the decoder up, coarse skips down."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from webui.contract.request import GenerationRequest
from webui.effects.arguments import FreeUArgs
from webui.effects.forms import FREEU
from webui.effects.modules import hooked, unet_of, while_patched
from webui.plugins import Effect, Layer, PassView
from webui.weights.checkpoint import Checkpoint

COARSE = 1
"""How far from its centre the spectrum counts as coarse."""


@dataclass(frozen=True)
class Reweighing:
    """The patch that weighs backbone and skip connections before each block of the decoder."""

    args: FreeUArgs

    @contextmanager
    def apply(self, checkpoint: Checkpoint) -> Iterator[None]:
        """Hook into the decoder until the block is left."""
        unet = unet_of(checkpoint, FREEU.label)
        with hooked([self._hook(*place) for place in decoder(unet)]):
            yield

    def _hook(self, block: nn.Module, channels: int, stage: int) -> RemovableHandle:
        b, s = ((self.args.b1, self.args.s1), (self.args.b2, self.args.s2))[stage]

        def weigh(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
            joined, *rest = given
            backbone, skip = joined[:, :channels], joined[:, channels:]
            if b != 1:
                backbone = strengthened(backbone, b, self.args.version)
            if s != 1:
                skip = smoothed(skip, s)
            return (torch.cat([backbone, skip], dim=1), *rest)

        return block.register_forward_pre_hook(weigh)


def decoder(unet: UNet2DConditionModel) -> list[tuple[nn.Module, int, int]]:
    """The decoder's residual blocks in the two widest stages.

    Each comes with the channels of the backbone in its input, which the skip connection follows,
    and its stage: 0 for the greatest width, 1 for the next. It is the width that the authors go by.
    """
    widths = sorted(set(unet.config["block_out_channels"]), reverse=True)[:2]
    middle: Any = unet.mid_block
    channels = int(middle.resnets[-1].out_channels)
    places: list[tuple[nn.Module, int, int]] = []
    for stage in unet.up_blocks:
        blocks: Any = stage.resnets
        for block in blocks:
            if channels in widths:
                places.append((block, channels, widths.index(channels)))
            channels = int(block.out_channels)
    return places


def strengthened(backbone: Tensor, factor: float, version: str) -> Tensor:
    """`backbone` (N, C, H, W) with the first half of its channels multiplied.

    Version 1 multiplies by `factor` everywhere, version 2 by 1 where
    the mean of all channels is lowest in an image, and by `factor` where it is highest.
    """
    half = backbone.shape[1] // 2
    weight: Tensor | float = factor
    if version == "2":
        mean = backbone.mean(1, keepdim=True)  # (N, 1, H, W)
        low, high = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
        weight = (factor - 1) * (mean - low) / (high - low).clamp_min(1e-12) + 1
    return torch.cat([backbone[:, :half] * weight, backbone[:, half:]], dim=1)


def smoothed(skip: Tensor, factor: float) -> Tensor:
    """`skip` (N, C, H, W) with the lowest frequencies multiplied by `factor`."""
    spectrum = torch.fft.fftshift(torch.fft.fftn(skip.float(), dim=(-2, -1)), dim=(-2, -1))
    height, width = skip.shape[-2:]
    row, column = height // 2, width // 2
    mask = torch.ones(height, width, device=skip.device)
    mask[row - COARSE : row + COARSE, column - COARSE : column + COARSE] = factor
    back = torch.fft.ifftshift(spectrum * mask, dim=(-2, -1))
    return torch.fft.ifftn(back, dim=(-2, -1)).real.to(skip.dtype)


class FreeU(Effect[FreeUArgs]):
    """Reweighs within its part of the pass."""

    form = FREEU

    def layer(self, view: PassView, request: GenerationRequest, args: FreeUArgs) -> Layer:
        """Return the denoiser with the decoder reweighed."""
        if args.b1 == args.b2 == args.s1 == args.s2 == 1:
            return Layer()
        unet_of(view.checkpoint, self.label)
        patch = Reweighing(args)

        def here(sigma: Any) -> bool:
            return args.start <= view.fraction(sigma) <= args.end

        return Layer(wrap=lambda inner: while_patched(inner, view.checkpoint, patch, here))
