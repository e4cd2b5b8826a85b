"""diffusers' networks behind the denoiser's one call."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from webui.diffusion.conditioning import Conditioning, Row, stack
from webui.diffusion.denoiser import Guided, Residuals
from webui.diffusion.prediction import DiscretePrediction, FlowPrediction
from webui.weights.checkpoint import Checkpoint
from webui.weights.networks import FluxNetwork, SD3Network, UNetNetwork
from webui.weights.networks.flux import pack, places, unpack


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def sdxl() -> nn.Module:
    from diffusers import UNet2DConditionModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return (
            UNet2DConditionModel(
                sample_size=8,
                block_out_channels=(32, 64),
                layers_per_block=1,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                attention_head_dim=(2, 4),
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                transformer_layers_per_block=(1, 2),
                projection_class_embeddings_input_dim=80,
                cross_attention_dim=64,
            )
            .eval()
            .requires_grad_(False)
        )


@pytest.fixture(scope="module")
def flux() -> nn.Module:
    from diffusers import FluxTransformer2DModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return (
            FluxTransformer2DModel(
                patch_size=1,
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=32,
                pooled_projection_dim=32,
                axes_dims_rope=(4, 4, 8),
                guidance_embeds=True,
            )
            .eval()
            .requires_grad_(False)
        )


def test_a_unet_is_called_with_what_the_batch_holds(from_folder: Checkpoint) -> None:
    x, context = noise(2, 4, 8, 8), noise(2, 77, 32, seed=1)
    rows = [Row(i, Conditioning(context[i : i + 1]), True) for i in range(2)]
    time = torch.tensor([500.25, 3.5])
    out = from_folder.network(x, time, stack(rows))
    module: Any = from_folder.network.module
    assert torch.equal(out, module(x, time, encoder_hidden_states=context).sample)


def test_a_network_takes_float32_and_runs_in_its_own_dtype(sdxl: nn.Module) -> None:
    import copy

    half = UNetNetwork(copy.deepcopy(sdxl).bfloat16())
    batch = stack([Row(0, Conditioning(noise(1, 7, 64), noise(1, 32), noise(1, 6)), True)])
    out = half(noise(1, 4, 8, 8), torch.tensor([10.0]), batch)
    assert out.dtype == torch.bfloat16
    assert torch.isfinite(out).all()


def test_residuals_reach_the_unet(from_folder: Checkpoint) -> None:
    x, time = noise(1, 4, 8, 8), torch.tensor([500.0])
    batch = stack([Row(0, Conditioning(noise(1, 77, 32)), True)])
    plain = from_folder.network(x, time, batch)
    shapes = down_shapes(from_folder.network.module, x, batch.context)
    zeros = Residuals(down=tuple(torch.zeros(s) for s in shapes), mid=(torch.zeros(shapes[-1]),))
    ones = Residuals(down=tuple(torch.ones(s) for s in shapes), mid=(torch.ones(shapes[-1]),))
    assert torch.equal(from_folder.network(x, time, batch, zeros), plain)
    assert not torch.allclose(from_folder.network(x, time, batch, ones), plain)


def down_shapes(module: Any, x: Tensor, context: Tensor) -> list[torch.Size]:
    sample = module.conv_in(x)
    shapes = [sample.shape]
    temb = torch.zeros(1, module.time_embedding.linear_2.out_features)
    for block in module.down_blocks:
        more = {"encoder_hidden_states": context} if hasattr(block, "attentions") else {}
        sample, states = block(sample, temb, **more)
        shapes += [state.shape for state in states]
    return shapes


def test_sdxl_gets_pooled_text_and_sizes(sdxl: nn.Module) -> None:
    network = UNetNetwork(sdxl)
    x, time = noise(1, 4, 8, 8), torch.tensor([500.0])
    text, pooled, sizes = noise(1, 7, 64), noise(1, 32), torch.tensor([[64.0, 64, 0, 0, 64, 64]])
    out = network(x, time, stack([Row(0, Conditioning(text, pooled, sizes), True)]))
    module: Any = sdxl
    added = {"text_embeds": pooled, "time_ids": sizes}
    want = module(x, time, encoder_hidden_states=text, added_cond_kwargs=added).sample
    assert torch.equal(out, want)
    with pytest.raises(ValueError, match="size_ids"):
        network(x, time, stack([Row(0, Conditioning(text, pooled), True)]))


def test_patches_unpack_to_the_latent_they_were_packed_from() -> None:
    latent = noise(2, 4, 6, 10)
    patches = pack(latent)
    assert patches.shape == (2, 15, 16)
    assert torch.equal(patches[0, 0], latent[0, :, :2, :2].reshape(-1))
    assert torch.equal(unpack(patches, 3, 5), latent)


def test_packing_is_that_of_diffusers_flux_pipeline() -> None:
    from diffusers import FluxPipeline

    latent = noise(1, 4, 6, 10)
    assert torch.equal(pack(latent), FluxPipeline._pack_latents(latent, 1, 4, 6, 10))
    ids = FluxPipeline._prepare_latent_image_ids(1, 3, 5, torch.device("cpu"), torch.float32)

    assert torch.equal(places(3, 5), ids)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (6, 10), (7, 9)])
def test_flux_answers_in_the_shape_of_the_latent(flux: nn.Module, height: int, width: int) -> None:
    told = Conditioning(noise(1, 5, 32), noise(1, 32), guidance=torch.tensor([3.5]))
    batch = stack([Row(0, told, True)])
    out = FluxNetwork(flux)(noise(1, 4, height, width), torch.tensor([500.0]), batch)
    assert out.shape == (1, 4, height, width)
    assert torch.isfinite(out).all()


def test_a_reference_is_seen_as_further_patches(flux: nn.Module) -> None:
    from diffusers import FluxKontextPipeline

    told = Conditioning(noise(1, 5, 32), noise(1, 32), guidance=torch.tensor([3.5]))
    seen = noise(1, 4, 4, 6, seed=3)
    x, time = noise(1, 4, 8, 8), torch.tensor([500.0])
    batch = stack([Row(0, replace(told, reference=seen), True)])
    own = places(4, 4)
    beside = FluxKontextPipeline._prepare_latent_image_ids(
        1, 2, 3, torch.device("cpu"), torch.float32
    )
    beside[..., 0] = 1
    out = flux(
        hidden_states=torch.cat([pack(x), pack(seen)], dim=1),
        encoder_hidden_states=told.context,
        pooled_projections=told.pooled,
        timestep=time / 1000,
        img_ids=torch.cat([own, beside]),
        txt_ids=torch.zeros(5, 3),
        guidance=told.guidance,
        return_dict=False,
    )[0]
    assert torch.equal(FluxNetwork(flux)(x, time, batch), unpack(out[:, :16], 4, 4))


@pytest.fixture(scope="module")
def sd3() -> nn.Module:
    from diffusers import SD3Transformer2DModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return (
            SD3Transformer2DModel(
                sample_size=8,
                in_channels=4,
                out_channels=4,
                num_layers=2,
                attention_head_dim=8,
                num_attention_heads=4,
                joint_attention_dim=32,
                caption_projection_dim=32,
                pooled_projection_dim=16,
                pos_embed_max_size=12,
                dual_attention_layers=(0,),
                qk_norm="rms_norm",
            )
            .eval()
            .requires_grad_(False)
        )


def test_sd3_gets_text_and_pooled_text(sd3: nn.Module) -> None:
    x, time = noise(2, 4, 8, 6), torch.tensor([500.0, 20.0])
    text, pooled = noise(2, 5, 32), noise(2, 16)
    rows = [Row(i, Conditioning(text[i : i + 1], pooled[i : i + 1]), True) for i in range(2)]
    want = sd3(x, text, pooled, time, return_dict=False)[0]
    assert torch.equal(SD3Network(sd3)(x, time, stack(rows)), want)
    odd = SD3Network(sd3)(noise(2, 4, 7, 5), time, stack(rows))
    assert odd.shape == (2, 4, 7, 5)
    with pytest.raises(ValueError, match="pooled"):
        SD3Network(sd3)(x, time, stack([Row(0, Conditioning(text[:1]), True)]))


def test_one_denoiser_runs_all_three_kinds(
    from_folder: Checkpoint, sdxl: nn.Module, flux: nn.Module
) -> None:
    cases = [
        (from_folder.network, from_folder.prediction, Conditioning(noise(1, 77, 32))),
        (
            UNetNetwork(sdxl),
            DiscretePrediction.scaled_linear(),
            Conditioning(noise(1, 7, 64), noise(1, 32), torch.zeros(1, 6)),
        ),
        (
            FluxNetwork(flux),
            FlowPrediction(3.0),
            Conditioning(noise(1, 5, 32), noise(1, 32), guidance=torch.tensor([3.5])),
        ),
    ]
    for network, prediction, told in cases:
        denoiser = Guided(network, prediction, [told], [told], cfg_scale=5.0)
        denoised = denoiser(noise(2, 4, 8, 8), torch.tensor(0.7))
        assert denoised.shape == (2, 4, 8, 8)
        assert denoised.dtype == torch.float32
        assert torch.isfinite(denoised).all()
