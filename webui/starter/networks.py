"""The starter's four parts as configured: autoencoder, text encoder, denoiser, scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

SCALING = 0.18215
NATIVE_SIZE = 256
TEXT_WIDTH = 128
WORD_DEVIATION = 0.25
WIDTHS = (64, 96, 128, 128)
"""Channels of the denoiser's four levels, multiples of 8."""

Network = TypeVar("Network", UNet2DConditionModel, ControlNetModel)


def build_autoencoder() -> AutoencoderKL:
    """Build the f8 autoencoder with 4 latent channels (2.7 M parameters)."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 128),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=1,
        sample_size=NATIVE_SIZE,
        scaling_factor=SCALING,
    )


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Build the text encoder for ``tokenizer``'s vocabulary (0.8 M parameters).

    Words start far larger than CLIP's 0.02: at this width and learning rate the layers would
    otherwise drown them, and every caption would end as the same states.
    """
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = CLIPTextModel(config)
    nn.init.normal_(model.get_input_embeddings().weight, std=WORD_DEVIATION)
    return model


def build_denoiser(widths: Sequence[int] = WIDTHS) -> UNet2DConditionModel:
    """Build the conditional UNet: attention to the text on its two middle levels."""
    denoiser = UNet2DConditionModel(
        sample_size=NATIVE_SIZE // 8,
        block_out_channels=tuple(widths),
        layers_per_block=1,
        down_block_types=(
            "DownBlock2D",
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "DownBlock2D",
        ),
        up_block_types=(
            "UpBlock2D",
            "CrossAttnUpBlock2D",
            "CrossAttnUpBlock2D",
            "UpBlock2D",
        ),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    return attend_plainly(denoiser)


def attend_plainly(network: Network) -> Network:
    """Let ``network`` attend by plain matrix products, which train a fifth faster on CPUs."""
    network.set_attn_processor(AttnProcessor())
    return network


def build_scheduler() -> DDIMScheduler:
    """Build the noise schedule of Stable Diffusion 1, predicting v."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )
