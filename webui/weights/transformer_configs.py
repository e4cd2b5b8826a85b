"""Configurations of transformers from the widths and depths that their files have."""

import math
from collections.abc import Iterable
from typing import Any

from webui.library.headers import Header
from webui.weights.transformer_names import count_blocks

ROPE_SHARES = (1, 7, 7)
"""How FLUX shares out a head's channels among picture, row and column, in sixteenths of its 128
for the first and in equal parts of the rest."""


class MissingTensor(Exception):
    """A tensor whose shape is needed is not in the file."""


def fit_flux(config: dict[str, Any], prefix: str, header: Header) -> dict[str, Any]:
    """What a FLUX transformer's tensors, in original names under `prefix`, say of it."""
    names = [name.removeprefix(prefix) for name in header.names(prefix)]
    width, inputs = shape_of(header, f"{prefix}img_in.weight")
    head = shape_of(header, f"{prefix}double_blocks.0.img_attn.norm.key_norm.scale")[0]
    row = 2 * (head * ROPE_SHARES[1] // 32)
    return {
        "in_channels": inputs,
        "out_channels": shape_of(header, f"{prefix}final_layer.linear.weight")[0],
        "num_layers": count_blocks(names, "double_blocks"),
        "num_single_layers": count_blocks(names, "single_blocks"),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shape_of(header, f"{prefix}txt_in.weight")[1],
        "pooled_projection_dim": shape_of(header, f"{prefix}vector_in.in_layer.weight")[1],
        "guidance_embeds": f"{prefix}guidance_in.in_layer.weight" in header.tensors,
        "axes_dims_rope": [head - 2 * row, row, row],
    }


def fit_sd3(config: dict[str, Any], prefix: str, header: Header) -> dict[str, Any]:
    """What a Stable Diffusion 3 transformer's tensors, in original names, say of it."""
    names = {name.removeprefix(prefix) for name in header.names(prefix)}
    width, channels, patch, _ = shape_of(header, f"{prefix}x_embedder.proj.weight")
    head = config["attention_head_dim"]
    blocks = count_blocks(names, "joint_blocks")
    inner = "x_block.attn2.qkv.weight"
    return {
        "in_channels": channels,
        "out_channels": shape_of(header, f"{prefix}final_layer.linear.weight")[0] // patch**2,
        "patch_size": patch,
        "num_layers": blocks,
        "num_attention_heads": width // head,
        "joint_attention_dim": shape_of(header, f"{prefix}context_embedder.weight")[1],
        "caption_projection_dim": width,
        "pooled_projection_dim": shape_of(header, f"{prefix}y_embedder.mlp.0.weight")[1],
        "pos_embed_max_size": math.isqrt(shape_of(header, f"{prefix}pos_embed")[1]),
        "qk_norm": "rms_norm" if "joint_blocks.0.x_block.attn.ln_q.weight" in names else None,
        "dual_attention_layers": [n for n in range(blocks) if f"joint_blocks.{n}.{inner}" in names],
    }


def fit_t5(config: dict[str, Any], prefix: str, header: Header) -> dict[str, Any]:
    """What a T5 encoder's tensors say of it."""
    names = [name.removeprefix(f"{prefix}encoder.") for name in header.names(prefix)]
    first = f"{prefix}encoder.block.0.layer"
    words, width = _first(
        header, (f"{prefix}shared.weight", f"{prefix}encoder.embed_tokens.weight")
    )
    buckets, heads = shape_of(header, f"{first}.0.SelfAttention.relative_attention_bias.weight")
    return {
        "vocab_size": words,
        "d_model": width,
        "d_kv": shape_of(header, f"{first}.0.SelfAttention.q.weight")[0] // heads,
        "d_ff": shape_of(header, f"{first}.1.DenseReluDense.wi_1.weight")[0],
        "num_layers": count_blocks(names, "block"),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
    }


def shape_of(header: Header, name: str) -> tuple[int, ...]:
    """The shape of a tensor. Raises MissingTensor."""
    shape = header.shape(name)
    if shape is None:
        raise MissingTensor(name)
    return shape


def _first(header: Header, names: Iterable[str]) -> tuple[int, ...]:
    found = (header.shape(name) for name in names)
    shape = next((one for one in found if one is not None), None)
    if shape is None:
        raise MissingTensor(" or ".join(names))
    return shape
