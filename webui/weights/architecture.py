"""Component configurations for single files: the family's, with the widths that the file has.

Names and shapes say how wide and deep a network is; heads, groups and activations they cannot say,
so these come from the family. Thus pruned and narrow relatives load without a file of their own.
"""

import json
from collections.abc import Callable
from typing import Any

from webui.errors import UnsupportedModel
from webui.library.headers import Header
from webui.weights.families import CONFIGS, Part, first_attention
from webui.weights.towers import PROJECTION, block_count, is_open_clip
from webui.weights.transformer_configs import (
    MissingTensor,
    fit_flux,
    fit_sd3,
    fit_t5,
    shape_of,
)

HEAD_WIDTH = 64
"""Every CLIP text encoder in use has heads of 64 channels."""


def read_config(name: str) -> dict[str, Any]:
    """A bundled configuration by its path below `configs`."""
    config: dict[str, Any] = json.loads((CONFIGS / name).read_text(encoding="utf-8"))
    return config


def fitted_config(part: Part, header: Header) -> dict[str, Any]:
    """The configuration of `part` with the widths found in `header`.

    Raises UnsupportedModel where the file lacks the part.
    """
    if not header.has(part.prefix):
        raise UnsupportedModel(
            f"The file holds no {part.folder.replace('_', ' ')}; only whole checkpoints with "
            "network, autoencoder and text encoder can be loaded.",
            f"no tensor's name starts with {part.prefix}",
        )
    config = read_config(part.config)
    try:
        return config | FITTERS[part.kind](config, part.prefix, header)
    except MissingTensor as missing:
        raise UnsupportedModel(
            f"The file's {part.folder.replace('_', ' ')} is not built as its family's are.",
            f"there is no tensor {missing}",
        ) from missing


def _fit_unet(config: dict[str, Any], prefix: str, header: Header) -> dict[str, Any]:
    stride = config["layers_per_block"] + 1
    widths = [
        shape_of(header, f"{prefix}input_blocks.{1 + level * stride}.0.out_layers.3.weight")[0]
        for level in range(len(config["block_out_channels"]))
    ]
    place = first_attention(header, prefix) or f"{prefix}input_blocks.1.1.transformer_blocks.0"
    fitted = {
        "block_out_channels": widths,
        "in_channels": shape_of(header, f"{prefix}input_blocks.0.0.weight")[1],
        "cross_attention_dim": shape_of(header, f"{place}.attn2.to_k.weight")[-1],
    }
    if config.get("use_linear_projection"):
        fitted["attention_head_dim"] = [max(1, width // HEAD_WIDTH) for width in widths]
        fitted["transformer_layers_per_block"] = _depths(config, prefix, header)
    if config.get("addition_embed_type"):
        inputs = shape_of(header, f"{prefix}label_emb.0.0.weight")[1]
        fitted["projection_class_embeddings_input_dim"] = inputs
    return fitted


def _depths(config: dict[str, Any], prefix: str, header: Header) -> list[int]:
    """How many transformer blocks each level has; a last level without any shows the middle's."""
    stride = config["layers_per_block"] + 1

    def depth(place: str) -> int:
        names = _tails(header, f"{prefix}{place}.1.transformer_blocks.")
        return len({name.split(".")[0] for name in names})

    depths = [
        depth(f"input_blocks.{1 + i * stride}") for i in range(len(config["block_out_channels"]))
    ]
    return [*(max(1, d) for d in depths[:-1]), depths[-1] or max(1, depth("middle_block"))]


def _fit_vae(config: dict[str, Any], prefix: str, header: Header) -> dict[str, Any]:
    # Files of the autoencoder alone may have the names of diffusers.
    blocks = f"{prefix}encoder.down_blocks."
    form = blocks + "{}.resnets.0" if header.has(blocks) else f"{prefix}encoder.down.{{}}.block.0"
    widths = [
        shape_of(header, f"{form.format(level)}.conv1.weight")[0]
        for level in range(len(config["block_out_channels"]))
    ]
    return {
        "block_out_channels": widths,
        "latent_channels": shape_of(header, f"{prefix}decoder.conv_in.weight")[1],
    }


def _fit_clip(config: dict[str, Any], prefix: str, header: Header) -> dict[str, Any]:
    names = set(_tails(header, prefix))
    if is_open_clip(names):
        return _fit_open_clip(config, prefix, header, names)
    # The oldest files lack the inner part of the name.
    root = f"{prefix}text_model." if header.has(f"{prefix}text_model.") else prefix
    words, width = shape_of(header, f"{root}embeddings.token_embedding.weight")
    layers = {name.split(".")[0] for name in _tails(header, f"{root}encoder.layers.")}
    projection = header.shape(f"{prefix}text_projection.weight")
    return _clip_widths(words, width) | {
        "projection_dim": projection[0] if projection and _projects(config) else width,
        "num_hidden_layers": len(layers),
        "intermediate_size": shape_of(header, f"{root}encoder.layers.0.mlp.fc1.weight")[0],
    }


def _fit_open_clip(
    config: dict[str, Any], prefix: str, header: Header, names: set[str]
) -> dict[str, Any]:
    words, width = shape_of(header, f"{prefix}token_embedding.weight")
    projects = _projects(config)
    inner = f"{prefix}transformer.resblocks.0.mlp.c_fc.weight"
    return _clip_widths(words, width) | {
        "projection_dim": shape_of(header, prefix + PROJECTION)[1] if projects else width,
        "num_hidden_layers": block_count(names, projects),
        "intermediate_size": shape_of(header, inner)[0],
    }


def _clip_widths(words: int, width: int) -> dict[str, Any]:
    return {
        "vocab_size": words,
        "hidden_size": width,
        "num_attention_heads": max(1, width // HEAD_WIDTH),
    }


def _projects(config: dict[str, Any]) -> bool:
    return config["architectures"] == ["CLIPTextModelWithProjection"]


def _tails(header: Header, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in header.names(prefix)]


FITTERS: dict[str, Callable[[dict[str, Any], str, Header], dict[str, Any]]] = {
    "UNet2DConditionModel": _fit_unet,
    "AutoencoderKL": _fit_vae,
    "CLIPTextModel": _fit_clip,
    "CLIPTextModelWithProjection": _fit_clip,
    "FluxTransformer2DModel": fit_flux,
    "SD3Transformer2DModel": fit_sd3,
    "T5EncoderModel": fit_t5,
}
