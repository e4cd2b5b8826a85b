"""diffusers' networks behind the one call that the denoiser makes."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from webui.diffusion.conditioning import ConditioningBatch
from webui.diffusion.denoiser import Residuals

PATCH = 2
"""FLUX reads latents in patches of two by two."""


class UNetNetwork:
    """A UNet of SD 1.x, 2.x or SDXL as a `Network`.

    Text and latent are cast to the UNet's dtype; timesteps and sizes stay float32, since half
    precision cannot tell neighbouring timesteps apart.
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
        """Predict noise or v, (N, C, H, W), for `x_in` (N, C, H, W) at `timestep` (N,)."""
        like = _like(self.module)
        arguments: dict[str, Any] = {}
        if conditioning_batch.pooled is not None:
            if conditioning_batch.size_ids is None:
                raise ValueError("pooled text needs size_ids beside it")
            arguments["added_cond_kwargs"] = {
                "text_embeds": conditioning_batch.pooled.to(like),  # (N, P)
                "time_ids": conditioning_batch.size_ids.to(like.device),  # (N, 6)
            }
        if residuals is not None:
            arguments |= _unet_residuals(residuals, like)
        return self.module(
            x_in.to(like),
            timestep.to(like.device),
            encoder_hidden_states=conditioning_batch.context.to(like),  # (N, T, D)
            return_dict=False,
            **arguments,
        )[0]


class FluxNetwork:
    """A FLUX transformer as a `Network`; it sees the latent as a row of 2x2 patches."""

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
        """Predict the velocity, (N, C, H, W), for `x_in` (N, C, H, W) at sigma * 1000 (N,).

        Odd sides are continued by one row or column for the call.
        """
        like = _like(self.module)
        height, width = x_in.shape[-2:]
        even = F.pad(x_in, (0, width % PATCH, 0, height % PATCH), mode="replicate")
        rows, columns = even.shape[-2] // PATCH, even.shape[-1] // PATCH
        batch = conditioning_batch
        arguments: dict[str, Any] = {}
        if residuals is not None:
            arguments = {
                "controlnet_block_samples": _moved(residuals.blocks, like) or None,
                "controlnet_single_block_samples": _moved(residuals.single_blocks, like) or None,
            }
        output = self.module(
            hidden_states=pack(even).to(like),  # (N, rows * columns, 4 C)
            encoder_hidden_states=batch.context.to(like),  # (N, T, D)
            pooled_projections=None if batch.pooled is None else batch.pooled.to(like),
            timestep=timestep.to(like.device) / 1000,
            img_ids=_places(rows, columns).to(like),
            txt_ids=torch.zeros(batch.context.shape[1], 3).to(like),
            guidance=None if batch.guidance is None else batch.guidance.to(like.device),
            return_dict=False,
            **arguments,
        )[0]
        return unpack(output, rows, columns)[..., :height, :width]


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


def _places(rows: int, columns: int) -> Tensor:
    """Row and column of every patch, (rows * columns, 3); the first number is always 0."""
    places = torch.zeros(rows, columns, 3)
    places[..., 1] = torch.arange(rows)[:, None]
    places[..., 2] = torch.arange(columns)[None, :]
    return places.reshape(rows * columns, 3)


def _unet_residuals(residuals: Residuals, like: Tensor) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if residuals.down:
        arguments["down_block_additional_residuals"] = _moved(residuals.down, like)
    if residuals.mid:
        arguments["mid_block_additional_residual"] = residuals.mid[0].to(like)
    if residuals.adapter:
        # diffusers takes them out of the list it is given.
        arguments["down_intrablock_additional_residuals"] = list(_moved(residuals.adapter, like))
    return arguments


def _moved(tensors: tuple[Tensor, ...], like: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.to(like) for tensor in tensors)


def _like(module: nn.Module) -> Tensor:
    """Any parameter: it shows the module's device and dtype."""
    return next(module.parameters())
