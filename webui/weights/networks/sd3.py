"""Stable Diffusion 3's transformers as networks."""

from typing import Any

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from webui.diffusion.conditioning import ConditioningBatch
from webui.diffusion.denoiser import Residuals
from webui.weights.networks.tensors import moved
from webui.weights.placement.homes import like_of

PATCH = 2
"""Stable Diffusion 3 reads latents in patches of two by two."""


class SD3Network:
    """A transformer of Stable Diffusion 3 or 3.5 as a `Network`."""

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
        like = like_of(self.module)
        height, width = x_in.shape[-2:]
        even = F.pad(x_in, (0, width % PATCH, 0, height % PATCH), mode="replicate")
        batch = conditioning_batch
        if batch.pooled is None:
            raise ValueError("Stable Diffusion 3 needs pooled text")
        arguments: dict[str, Any] = {}
        if residuals is not None and residuals.blocks:
            arguments["block_controlnet_hidden_states"] = moved(residuals.blocks, like)
        output: Tensor = self.module(
            hidden_states=even.to(like),
            encoder_hidden_states=batch.context.to(like),  # (N, T, D)
            pooled_projections=batch.pooled.to(like),  # (N, P)
            timestep=timestep.to(like.device),
            return_dict=False,
            **arguments,
        )[0]
        return output[..., :height, :width]
