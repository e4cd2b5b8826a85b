"""One sampler and one guidance over networks of three families, tiny and random."""

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from tests.diffusion.fakes import Silence
from webui.diffusion.conditioning import Conditioning, ConditioningBatch
from webui.diffusion.denoiser import Guided, Network, Residuals
from webui.diffusion.noise import ImageNoise
from webui.diffusion.prediction import DiscretePrediction, FlowPrediction, Prediction
from webui.diffusion.samplers import Sampler, SamplerOptions
from webui.diffusion.schedules import Schedule, full_trajectory

Family = tuple[Network, Prediction, Callable[[], Conditioning], tuple[int, int, int]]

BLOCKS: dict[str, Any] = {
    "sample_size": 8,
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 16,
    "attention_head_dim": 8,
}


def sd1() -> Family:
    unet: Any = diffusers.UNet2DConditionModel(**BLOCKS).eval()

    def network(
        x_in: Tensor, timestep: Tensor, batch: ConditioningBatch, r: Residuals | None = None
    ) -> Tensor:
        residuals: dict[str, Any] = {} if r is None else {
            "down_block_additional_residuals": r.down,
            "mid_block_additional_residual": r.mid[0],
        }  # fmt: skip
        return unet(x_in, timestep, batch.context, **residuals).sample

    def prompt() -> Conditioning:
        return Conditioning(torch.randn(1, 77, 16))

    return network, DiscretePrediction.scaled_linear(), prompt, (4, 8, 8)


def sdxl() -> Family:
    unet: Any = diffusers.UNet2DConditionModel(
        **BLOCKS,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 24,
    ).eval()

    def network(
        x_in: Tensor, timestep: Tensor, batch: ConditioningBatch, r: Residuals | None = None
    ) -> Tensor:
        added = {"text_embeds": batch.pooled, "time_ids": batch.size_ids}
        return unet(x_in, timestep, batch.context, added_cond_kwargs=added).sample

    def prompt() -> Conditioning:
        sizes = torch.tensor([[64.0, 64, 0, 0, 64, 64]])
        return Conditioning(torch.randn(1, 77, 16), torch.randn(1, 24), sizes)

    return network, DiscretePrediction.scaled_linear(), prompt, (4, 8, 8)


def flux() -> Family:
    transformer: Any = diffusers.FluxTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=16, pooled_projection_dim=24,
        guidance_embeds=True, axes_dims_rope=(4, 6, 6),
    ).eval()  # fmt: skip

    def network(
        x_in: Tensor, timestep: Tensor, batch: ConditioningBatch, r: Residuals | None = None
    ) -> Tensor:
        n, c, h, w = x_in.shape
        packed = x_in.view(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5)
        places = torch.zeros(h // 2, w // 2, 3)
        places[..., 1] = torch.arange(h // 2)[:, None]
        places[..., 2] = torch.arange(w // 2)
        output = transformer(
            packed.reshape(n, h * w // 4, c * 4), batch.context, batch.pooled, timestep / 1000,
            places.view(-1, 3), torch.zeros(batch.context.shape[1], 3), batch.guidance,
        ).sample  # fmt: skip
        unpacked = output.view(n, h // 2, w // 2, c, 2, 2).permute(0, 3, 1, 4, 2, 5)
        return unpacked.reshape(n, c, h, w)

    def prompt() -> Conditioning:
        guidance = torch.tensor([3.5])
        return Conditioning(torch.randn(1, 12, 16), torch.randn(1, 24), guidance=guidance)

    return network, FlowPrediction(shift=1.15), prompt, (4, 8, 8)


@pytest.mark.parametrize("make", [sd1, sdxl, flux])
@pytest.mark.parametrize("name", ["euler", "euler_a", "dpmpp_2m", "ddim"])
@torch.no_grad()
def test_three_families_run_through_one_unchanged_loop(
    samplers: dict[str, Sampler],
    schedules: dict[str, Schedule],
    make: Callable[[], Family],
    name: str,
) -> None:
    torch.manual_seed(0)
    network, prediction, prompt, shape = make()
    cond, uncond = prompt(), prompt()

    def picture(*seeds: int) -> Tensor:
        guided = Guided(network, prediction, [cond], [uncond], cfg_scale=7)
        trajectory = full_trajectory(samplers[name], schedules["automatic"], 3, prediction)
        noise = ImageNoise(seeds, shape)
        x = trajectory.begin(prediction, noise.initial())
        options = SamplerOptions(space=prediction, noise_range=trajectory.span)
        return samplers[name].sample(guided, x, trajectory.sigmas, noise, options)

    batch = picture(1, 2)
    assert batch.shape == (2, *shape)
    assert batch.isfinite().all()
    assert torch.allclose(batch, torch.cat([picture(1), picture(2)]), atol=2e-3, rtol=1e-3)


@torch.no_grad()
def test_a_control_reaches_the_unet_and_zeros_change_nothing(
    samplers: dict[str, Sampler], silence: Silence
) -> None:
    torch.manual_seed(0)
    network, prediction, prompt, shape = sd1()
    cond, sigmas = prompt(), torch.tensor([5.0, 1.0, 0.0])
    x = ImageNoise([1], shape).initial() * 5

    def control(strength: float) -> Callable[..., Residuals]:
        def residuals(x_in: Tensor, *_: object) -> Residuals:
            n = len(x_in)
            sizes = [(32, 8), (32, 8), (32, 4), (64, 4)]
            down = tuple(torch.full((n, c, s, s), strength) for c, s in sizes)
            return Residuals(down, mid=(torch.full((n, 64, 4, 4), strength),))

        return residuals

    def end(*controls: Callable[..., Residuals]) -> Tensor:
        guided = Guided(network, prediction, [cond], controls=controls)
        return samplers["euler"].sample(guided, x, sigmas, silence, SamplerOptions())

    assert torch.equal(end(control(0.0)), end())
    assert not torch.allclose(end(control(0.5)), end(), atol=1e-3)
