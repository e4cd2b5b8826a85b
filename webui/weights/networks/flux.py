"""FLUX transformers as networks."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from webui.diffusion.conditioning import ConditioningBatch
from webui.diffusion.denoiser import Residuals
from webui.weights.networks.tensors import moved
from webui.weights.placement.homes import like_of

PATCH = 2
"""FLUX reads latents in patches of two by two."""


class FluxNetwork:
    """A FLUX transformer as a `Network`; it sees the latent as a row of 2x2 patches.

    A reference picture's patches follow the latent's, on a plane of their own, as FLUX.1 Kontext
    has them (arXiv:2506.15742).
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(
        self,
        x_in: Tensor,
        timestep: Tensor,
        conditioning_batch: ConditioningBatch,
        residuals: Residuals | None = None,
        /,
    ) -> Tensor:
        """Predict the velocity, (N, C, H, W), for `x_in` (N, C + K, H, W) at sigma * 1000 (N,).

        K channels beside the latent's tell a network that fills holes about them. Odd sides are
        continued by one row or column for the call.
        """
        like = like_of(self.module)
        height, width = x_in.shape[-2:]
        even = _even(x_in)
        rows, columns = even.shape[-2] // PATCH, even.shape[-1] // PATCH
        batch = conditioning_batch
        patches, seats = pack(even), places(rows, columns)
        if batch.reference is not None:
            beside = _even(batch.reference).to(patches)
            seen = places(beside.shape[-2] // PATCH, beside.shape[-1] // PATCH, picture=1)
            patches = torch.cat([patches, pack(beside)], dim=1)
            seats = torch.cat([seats, seen])
        arguments: dict[str, Any] = {}
        if residuals is not None:
            arguments = {
                "controlnet_block_samples": moved(residuals.blocks, like) or None,
                "controlnet_single_block_samples": moved(residuals.single_blocks, like) or None,
            }
        output = self.module(
            hidden_states=patches.to(like),  # (N, rows * columns, 4 C), then the reference's
            encoder_hidden_states=batch.context.to(like),  # (N, T, D)
            pooled_projections=None if batch.pooled is None else batch.pooled.to(like),
            timestep=timestep.to(like.device) / 1000,
            # Places stay float32: half precision cannot tell neighbours in wide pictures apart.
            img_ids=seats.to(like.device),
            txt_ids=torch.zeros(batch.context.shape[1], 3, device=like.device),
            guidance=None if batch.guidance is None else batch.guidance.to(like.device),
            return_dict=False,
            **arguments,
        )[0]
        return unpack(output[:, : rows * columns], rows, columns)[..., :height, :width]


def _even(latent: Tensor) -> Tensor:
    """Latents (N, C, H, W) with odd sides continued by one row or column."""
    height, width = latent.shape[-2:]
    return F.pad(latent, (0, width % PATCH, 0, height % PATCH), mode="replicate")


def pack(latent: Tensor) -> Tensor:
    """Latent (N, C, H, W) to patches (N, H/2 * W/2, 4 C)."""
    count, channels, height, width = latent.shape
    rows, columns = height // PATCH, width // PATCH
    split = latent.reshape(count, channels, rows, PATCH, columns, PATCH)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(count, rows * columns, channels * PATCH**2)


def unpack(patches: Tensor, rows: int, columns: int) -> Tensor:
    """The inverse of `pack` for a picture of `rows` by `columns` patches."""
    count, _, width = patches.shape
    channels = width // PATCH**2
    split = patches.reshape(count, rows, columns, channels, PATCH, PATCH)
    joined = split.permute(0, 3, 1, 4, 2, 5)
    return joined.reshape(count, channels, rows * PATCH, columns * PATCH)


def places(rows: int, columns: int, picture: int = 0) -> Tensor:
    """The picture's number, row and column of every patch, (rows * columns, 3)."""
    seats = torch.full((rows, columns, 3), float(picture))
    seats[..., 1] = torch.arange(rows)[:, None]
    seats[..., 2] = torch.arange(columns)[None, :]
    return seats.reshape(rows * columns, 3)
