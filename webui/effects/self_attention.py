"""Self-attention guidance, Hong et al. 2022 (arXiv:2210.00939)."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from diffusers.models.attention_processor import Attention
from torch import Tensor

from webui.contract.request import GenerationRequest
from webui.diffusion.conditioning import ConditioningBatch
from webui.diffusion.denoiser import Network, Residuals
from webui.diffusion.guidance import Estimates, Guidance
from webui.effects.arguments import SelfAttentionArgs
from webui.effects.forms import SELF_ATTENTION
from webui.effects.modules import processed_by, self_attention, transformer_blocks, unet_of
from webui.plugins import Effect, Layer, PassView

KERNEL = 9
"""The width of the blur in latent cells."""


@dataclass(frozen=True)
class Recording:
    """A processor that keeps the attention maps of the one it stands for."""

    kept: Any
    maps: list[Tensor]

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """The output of the processor in its place, unchanged."""
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        key = attn.head_to_batch_dim(attn.to_k(hidden_states))
        weights = attn.get_attention_scores(query, key)  # (N heads, T, T)
        self.maps.append(weights.unflatten(0, (len(hidden_states), -1)).mean(1).float())
        return self.kept(attn, hidden_states, encoder_hidden_states, attention_mask)


@dataclass(frozen=True)
class Watching:
    """Keeps for each image how much attention its places got in the latest call.

    The map of the negative prompt counts, or that of the prompt where there is no other.
    """

    attention: Attention
    found: dict[tuple[int, bool], Tensor] = field(default_factory=dict[tuple[int, bool], Tensor])

    def network(self, inner: Network) -> Network:
        """The network, watched."""

        def watched(
            x_in: Tensor,
            timestep: Tensor,
            conditioning_batch: ConditioningBatch,
            residuals: Residuals | None = None,
            /,
        ) -> Tensor:
            maps: list[Tensor] = []
            with processed_by([self.attention], lambda kept: Recording(kept, maps)):
                output = inner(x_in, timestep, conditioning_batch, residuals)
            rows = zip(conditioning_batch.images, conditioning_batch.positive, strict=True)
            self.found.update(zip(rows, maps[0].sum(1), strict=True))  # over all queries: (T,)
            return output

        return watched

    def take(self, images: int) -> Tensor:
        """How much attention each place got, (images, T), on average 1; then forget it."""
        found = [self.found.get((i, False), self.found.get((i, True))) for i in range(images)]
        self.found.clear()
        return torch.stack([attention for attention in found if attention is not None])


def degraded(clean: Tensor, attention: Tensor, depth: int, args: SelfAttentionArgs) -> Tensor:
    """`clean` (B, C, H, W), blurred where `attention` (B, T) is above the threshold."""
    height, width = clean.shape[-2:]
    grid = (math.ceil(height / 2**depth), math.ceil(width / 2**depth))
    salient = (attention > args.threshold).float().view(-1, 1, *grid)
    mask = F.interpolate(salient, size=(height, width)).to(clean)  # (B, 1, H, W)
    return torch.lerp(clean, blurred(clean, args.blur_sigma), mask)


def blurred(latent: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of (B, C, H, W), reflected at the edges."""
    places = torch.arange(KERNEL, dtype=latent.dtype, device=latent.device) - KERNEL // 2
    line = torch.softmax(-(places**2) / (2 * sigma**2), 0)
    channels = latent.shape[1]
    padded = F.pad(latent, (KERNEL // 2,) * 4, mode="reflect")
    rows = F.conv2d(padded, line.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(rows, line.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


class SelfAttention(Effect[SelfAttentionArgs]):
    """Adds the way from the estimate of a degraded x to the estimate before it."""

    form = SELF_ATTENTION

    def layer(self, view: PassView, request: GenerationRequest, args: SelfAttentionArgs) -> Layer:
        """Return the watch on the middle of the UNet, and the addition to the guidance."""
        if args.scale == 0:
            return Layer()
        unet = unet_of(view.checkpoint, self.label)
        depth = len(unet.config["block_out_channels"]) - 1
        watching = Watching(_middle(transformer_blocks(unet)))

        def guide(inner: Guidance) -> Guidance:
            def guided(estimates: Estimates) -> Tensor:
                attention = watching.take(len(estimates.x))
                clean = estimates.uncond
                worse = degraded(clean, attention, depth, args)
                noisy = estimates.x + (worse - clean)  # the same noise over the worse picture
                again = estimates.again(noisy, False)
                watching.found.clear()
                return inner(estimates) + (worse - again) * args.scale

            return guided

        return Layer(network=watching.network, guide=guide)


def _middle(blocks: dict[str, Any]) -> Attention:
    return next(self_attention(b) for name, b in blocks.items() if name.startswith("mid_block"))
