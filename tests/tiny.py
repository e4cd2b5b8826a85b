"""Tiny random SD 1.x checkpoints, as a diffusers folder and as one file in the original layout.

They are real in every name and shape but for the widths, so they run the code that big ones run,
in milliseconds. Weights come from a seed: the same on every machine.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from webui.library.vocabularies import CLIP_SIZE, byte_letters

UNET_WIDTHS = (32, 32, 64, 64)
VAE_WIDTHS = (32, 32, 64, 64)
TEXT_WIDTH = 32
TEXT_LAYERS = 3
NATIVE_SIZE = 64

Shapes = dict[str, tuple[int, ...]]

# ------------------------------------------------------------------------------- diffusers layout


def write_folder(folder: Path, prediction_type: str = "epsilon", seed: int = 0) -> Path:
    """Write a checkpoint in diffusers layout, fp16, with a tokenizer of its own; native 64x64."""
    from webui.weights.torchvision_guard import mend_torchvision

    mend_torchvision()
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    words = write_tokenizer(folder / "tokenizer")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            sample_size=NATIVE_SIZE // 8,
            block_out_channels=UNET_WIDTHS,
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
        vae = AutoencoderKL(
            block_out_channels=VAE_WIDTHS,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=8,
            sample_size=NATIVE_SIZE,
        )
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=words,
                hidden_size=TEXT_WIDTH,
                intermediate_size=4 * TEXT_WIDTH,
                projection_dim=TEXT_WIDTH,
                num_hidden_layers=TEXT_LAYERS,
                num_attention_heads=2,
                bos_token_id=words - 2,
                eos_token_id=words - 1,
                pad_token_id=words - 1,
            )
        )
    for name, module in (("unet", unet), ("vae", vae)):
        module.save_config(folder / name)
        save_file(halved(module), folder / name / "diffusion_pytorch_model.safetensors")
    text.config.architectures = ["CLIPTextModel"]
    text.config.save_pretrained(folder / "text_encoder")
    save_file(halved(text), folder / "text_encoder" / "model.safetensors")
    _write_json(folder / "scheduler" / "scheduler_config.json", scheduler(prediction_type))
    _write_json(folder / "model_index.json", model_index())
    return folder


def halved(module: torch.nn.Module) -> dict[str, Tensor]:
    """The module's weights in half precision."""
    return {name: tensor.half() for name, tensor in module.state_dict().items()}


def model_index() -> dict[str, Any]:
    """The index of a folder with Stable Diffusion's five parts."""
    return {
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": [None, None],
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def scheduler(prediction_type: str) -> dict[str, Any]:
    """Stable Diffusion's noise schedule as a scheduler's configuration."""
    return {
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": 1000,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "prediction_type": prediction_type,
    }


def write_tokenizer(folder: Path) -> int:
    """Write a byte-level tokenizer with merges for a few words; returns its number of words."""
    letters = list(byte_letters().values())
    merges = ["c a", "ca t</w>", "d o", "do g</w>", "h o", "u s", "us e</w>", "ho use</w>"]
    names = [*letters, *(letter + "</w>" for letter in letters)]
    names += [merge.replace(" ", "") for merge in merges]
    names += ["<|startoftext|>", "<|endoftext|>"]
    _write_json(folder / "vocab.json", {name: index for index, name in enumerate(names)})
    lines = "\n".join(["#version: 0.2", *merges]) + "\n"
    (folder / "merges.txt").write_text(lines, encoding="utf-8")
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": 77,
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
        },
    )
    return len(names)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


# -------------------------------------------------------------------------------- original layout


def write_file(
    path: Path,
    seed: int = 0,
    v_prediction: bool = False,
    dtype: torch.dtype = torch.float16,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a checkpoint in SD 1.x's original layout with CLIP's full vocabulary; native 512."""
    state = random_tensors(original_shapes(), seed, dtype)
    root = "cond_stage_model.transformer.text_model.embeddings."
    state[root + "position_ids"] = torch.arange(77)[None]
    state["model_ema.decay"] = torch.tensor(0.9999)
    if v_prediction:
        state["v_pred"] = torch.zeros(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata)
    return path


def random_tensors(shapes: Shapes, seed: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """Tensors of these names and shapes: norms near 1, the rest small enough to stay finite."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        drawn = torch.randn(shape, generator=generator)
        if len(shape) < 2:
            state[name] = (drawn * 0.02 + float(name.endswith(NORMS))).to(dtype)
        else:
            state[name] = (drawn * (0.5 / (drawn[0].numel() ** 0.5))).to(dtype)
    return state


NORMS = (
    "norm.weight",
    "norm1.weight",
    "norm2.weight",
    "norm3.weight",
    "layers.0.weight",
    "out.0.weight",
    "norm_out.weight",
    "ln_1.weight",
    "ln_2.weight",
    "ln_final.weight",
)


def original_shapes(
    unet: tuple[int, ...] = UNET_WIDTHS,
    vae: tuple[int, ...] = VAE_WIDTHS,
    text: int = TEXT_WIDTH,
    layers: int = TEXT_LAYERS,
    words: int = CLIP_SIZE,
) -> Shapes:
    """Every tensor of an SD 1.x single file with weights; the real widths give the real file."""
    return (
        {f"model.diffusion_model.{n}": s for n, s in _unet(unet, text)}
        | {f"first_stage_model.{n}": s for n, s in vae_shapes(vae)}
        | {
            f"cond_stage_model.transformer.text_model.{n}": s
            for n, s in clip_shapes(text, layers, words)
        }
    )


Named = Iterator[tuple[str, tuple[int, ...]]]


def affine(name: str, *shape: int) -> Named:
    """A weight and its bias."""
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _norm(name: str, width: int) -> Named:
    return affine(name, width)


def _unet(widths: tuple[int, ...], context: int) -> Named:
    base, time = widths[0], widths[0] * 4
    yield from affine("time_embed.0", time, base)
    yield from affine("time_embed.2", time, time)
    yield from affine("input_blocks.0.0", base, 4, 3, 3)
    skips, width, block = [base], base, 1
    for level, out in enumerate(widths):
        for _ in range(2):
            yield from unet_block(f"input_blocks.{block}", width, out, time)
            if level < len(widths) - 1:
                yield from _transformer(f"input_blocks.{block}.1", out, context)
            width, block = out, block + 1
            skips.append(width)
        if level < len(widths) - 1:
            yield from affine(f"input_blocks.{block}.0.op", width, width, 3, 3)
            block += 1
            skips.append(width)
    yield from unet_block("middle_block", width, width, time, "0")
    yield from _transformer("middle_block.1", width, context)
    yield from unet_block("middle_block", width, width, time, "2")
    block = 0
    for level, out in reversed(list(enumerate(widths))):
        for index in range(3):
            yield from unet_block(f"output_blocks.{block}", width + skips.pop(), out, time)
            attends = level < len(widths) - 1
            if attends:
                yield from _transformer(f"output_blocks.{block}.1", out, context)
            if level and index == 2:
                place = f"output_blocks.{block}.{1 + attends}.conv"
                yield from affine(place, out, out, 3, 3)
            width, block = out, block + 1
    yield from _norm("out.0", width)
    yield from affine("out.2", 4, width, 3, 3)


def unet_block(place: str, width: int, out: int, time: int, inner: str = "0") -> Named:
    """The weights of one residual block."""
    name = f"{place}.{inner}"
    yield from _norm(f"{name}.in_layers.0", width)
    yield from affine(f"{name}.in_layers.2", out, width, 3, 3)
    yield from affine(f"{name}.emb_layers.1", out, time)
    yield from _norm(f"{name}.out_layers.0", out)
    yield from affine(f"{name}.out_layers.3", out, out, 3, 3)
    if width != out:
        yield from affine(f"{name}.skip_connection", out, width, 1, 1)


def _transformer(name: str, width: int, context: int) -> Named:
    yield from _norm(f"{name}.norm", width)
    yield from affine(f"{name}.proj_in", width, width, 1, 1)
    yield from transformer_block(f"{name}.transformer_blocks.0", width, context)
    yield from affine(f"{name}.proj_out", width, width, 1, 1)


def transformer_block(block: str, width: int, context: int) -> Named:
    """The weights of one block of a spatial transformer."""
    for attention, source in (("attn1", width), ("attn2", context)):
        yield f"{block}.{attention}.to_q.weight", (width, width)
        yield f"{block}.{attention}.to_k.weight", (width, source)
        yield f"{block}.{attention}.to_v.weight", (width, source)
        yield from affine(f"{block}.{attention}.to_out.0", width, width)
    yield from affine(f"{block}.ff.net.0.proj", width * 8, width)
    yield from affine(f"{block}.ff.net.2", width, width * 4)
    for norm in ("norm1", "norm2", "norm3"):
        yield from _norm(f"{block}.{norm}", width)


def vae_shapes(widths: tuple[int, ...]) -> Named:
    """Every weight of an autoencoder, without prefix."""
    yield from affine("encoder.conv_in", widths[0], 3, 3, 3)
    width = widths[0]
    for level, out in enumerate(widths):
        for index in range(2):
            yield from _vae_block(f"encoder.down.{level}.block.{index}", width, out)
            width = out
        if level < len(widths) - 1:
            yield from affine(f"encoder.down.{level}.downsample.conv", width, width, 3, 3)
    yield from _vae_middle("encoder", width)
    yield from _norm("encoder.norm_out", width)
    yield from affine("encoder.conv_out", 8, width, 3, 3)
    yield from affine("decoder.conv_in", width, 4, 3, 3)
    yield from _vae_middle("decoder", width)
    for level, out in reversed(list(enumerate(widths))):
        for index in range(3):
            yield from _vae_block(f"decoder.up.{level}.block.{index}", width, out)
            width = out
        if level:
            yield from affine(f"decoder.up.{level}.upsample.conv", width, width, 3, 3)
    yield from _norm("decoder.norm_out", width)
    yield from affine("decoder.conv_out", 3, width, 3, 3)
    yield from affine("quant_conv", 8, 8, 1, 1)
    yield from affine("post_quant_conv", 4, 4, 1, 1)


def _vae_middle(side: str, width: int) -> Named:
    yield from _vae_block(f"{side}.mid.block_1", width, width)
    yield from _norm(f"{side}.mid.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        yield from affine(f"{side}.mid.attn_1.{part}", width, width, 1, 1)
    yield from _vae_block(f"{side}.mid.block_2", width, width)


def _vae_block(name: str, width: int, out: int) -> Named:
    yield from _norm(f"{name}.norm1", width)
    yield from affine(f"{name}.conv1", out, width, 3, 3)
    yield from _norm(f"{name}.norm2", out)
    yield from affine(f"{name}.conv2", out, out, 3, 3)
    if width != out:
        yield from affine(f"{name}.nin_shortcut", out, width, 1, 1)


def clip_shapes(width: int, layers: int, words: int) -> Named:
    """Every weight of a CLIP text model, without its inner name."""
    yield "embeddings.token_embedding.weight", (words, width)
    yield "embeddings.position_embedding.weight", (77, width)
    for index in range(layers):
        layer = f"encoder.layers.{index}"
        yield from _norm(f"{layer}.layer_norm1", width)
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from affine(f"{layer}.self_attn.{part}", width, width)
        yield from _norm(f"{layer}.layer_norm2", width)
        yield from affine(f"{layer}.mlp.fc1", width * 4, width)
        yield from affine(f"{layer}.mlp.fc2", width, width * 4)
    yield from _norm("final_layer_norm", width)
