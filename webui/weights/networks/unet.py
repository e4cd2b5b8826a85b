"""UNets as networks."""

from typing import Any

from torch import Tensor, nn

from webui.diffusion.conditioning import ConditioningBatch
from webui.diffusion.denoiser import Residuals
from webui.weights.networks.tensors import moved
from webui.weights.placement.homes import like_of


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
        like = like_of(self.module)
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


def _unet_residuals(residuals: Residuals, like: Tensor) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if residuals.down:
        arguments["down_block_additional_residuals"] = moved(residuals.down, like)
    if residuals.mid:
        arguments["mid_block_additional_residual"] = residuals.mid[0].to(like)
    if residuals.adapter:
        # diffusers takes them out of the list it is given.
        arguments["down_intrablock_additional_residuals"] = list(moved(residuals.adapter, like))
    return arguments
