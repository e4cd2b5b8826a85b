"""Component configurations for single files: the family's, with the widths that the file has.

Names and shapes say how wide and deep a network is; heads, groups and activations they cannot say,
so these come from the family. Thus pruned and narrow relatives load without a file of their own.
"""

import json
from collections.abc import Callable
from typing import Any

from webui.errors import UnsupportedModel
from webui.library.headers import Header
from webui.weights.families import CONFIGS, CONTEXT_KEY, Part

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
    except _Missing as missing:
        raise UnsupportedModel(
            f"The file's {part.folder.replace('_', ' ')} is not built as its family's are.",
            f"there is no tensor {missing}",
        ) from missing


class _Missing(Exception):
    """A tensor whose shape is needed is not in the file."""


def _shape(header: Header, name: str) -> tuple[int, ...]:
    shape = header.shape(name)
    if shape is None:
        raise _Missing(name)
    return shape


def _fit_unet(config: dict[str, Any], prefix: str, header: Header) -> dict[str, Any]:
    stride = config["layers_per_block"] + 1
    widths = [
        _shape(header, f"{prefix}input_blocks.{1 + level * stride}.0.out_layers.3.weight")[0]
        for level in range(len(config["block_out_channels"]))
    ]
    return {
        "block_out_channels": widths,
        "in_channels": _shape(header, f"{prefix}input_blocks.0.0.weight")[1],
        "cross_attention_dim": _shape(header, prefix + CONTEXT_KEY)[-1],
    }


def _fit_vae(config: dict[str, Any], prefix: str, header: Header) -> dict[str, Any]:
    widths = [
        _shape(header, f"{prefix}encoder.down.{level}.block.0.conv1.weight")[0]
        for level in range(len(config["block_out_channels"]))
    ]
    return {
        "block_out_channels": widths,
        "latent_channels": _shape(header, f"{prefix}decoder.conv_in.weight")[1],
    }


def _fit_clip(config: dict[str, Any], prefix: str, header: Header) -> dict[str, Any]:
    # The oldest files lack the inner part of the name.
    root = f"{prefix}text_model." if header.has(f"{prefix}text_model.") else prefix
    words, width = _shape(header, f"{root}embeddings.token_embedding.weight")
    layers = {name.split(".")[0] for name in _tails(header, f"{root}encoder.layers.")}
    return {
        "vocab_size": words,
        "hidden_size": width,
        "projection_dim": width,
        "num_attention_heads": max(1, width // HEAD_WIDTH),
        "num_hidden_layers": len(layers),
        "intermediate_size": _shape(header, f"{root}encoder.layers.0.mlp.fc1.weight")[0],
    }


def _tails(header: Header, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in header.names(prefix)]


FITTERS: dict[str, Callable[[dict[str, Any], str, Header], dict[str, Any]]] = {
    "UNet2DConditionModel": _fit_unet,
    "AutoencoderKL": _fit_vae,
    "CLIPTextModel": _fit_clip,
}
