"""The names that adapter files have for the layers of FLUX and Stable Diffusion 3.

Kohya and the networks' makers use the original names, which join query, key and value; diffusers
and OneTrainer have a name for each; XLabs names the processors of the attentions.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from webui.weights.transformer_names import Layer, flux_layers, sd3_layers

Rows = tuple[str, int, int | None]
"""A layer of the network by its name, and the first and last of its rows that are meant."""

ORIGINAL = ("lora_unet_", "diffusion_model_", "model_diffusion_model_", "lycoris_", "")
OWN = ("lora_transformer_", "transformer_", "lora_unet_", "lycoris_", "base_model_model_", "")
PROCESSORS = {
    "qkv1": "img_attn.qkv", "qkv2": "txt_attn.qkv", "proj1": "img_attn.proj",
    "proj2": "txt_attn.proj",
}  # fmt: skip
"""XLabs' names in a double block: 1 is the picture's stream, 2 the text's."""


def transformer_names(
    network: nn.Module, layers: Mapping[str, nn.Module]
) -> Iterator[tuple[str, tuple[Rows, ...]]]:
    """Every flat name that files have for a transformer's layers, with the rows that it means.

    `layers` are the network's by their own names. Nothing for other networks.
    """
    table = _table(network)
    if not table:
        return
    for name in layers:
        for prefix in OWN:
            yield prefix + _flat(name), ((name, 0, None),)
    known = {layer.name: _rows(layer, layers) for layer in table}
    for name, rows in known.items():
        if rows:
            for prefix in ORIGINAL:
                yield prefix + _flat(name), rows
    yield from _processors(known)


def _table(network: nn.Module) -> list[Layer]:
    config: Any = getattr(network, "config", {})
    kind = type(network).__name__
    if kind == "FluxTransformer2DModel":
        return flux_layers(config["num_layers"], config["num_single_layers"])
    if kind == "SD3Transformer2DModel":
        return sd3_layers(config["num_layers"])
    return []


def _rows(layer: Layer, layers: Mapping[str, nn.Module]) -> tuple[Rows, ...]:
    """What an original layer's rows are, in its own order; () where the network lacks it."""
    if any(target not in layers for target in layer.targets):
        return ()
    if not layer.swapped:
        return tuple((target, 0, None) for target in layer.targets)
    (target,) = layer.targets
    half = len(_weight(layers[target])) // 2
    return ((target, half, None), (target, 0, half))


def _processors(known: Mapping[str, tuple[Rows, ...]]) -> Iterator[tuple[str, tuple[Rows, ...]]]:
    for name, rows in known.items():
        block, _, layer = name.partition(".img_attn.qkv")
        if rows and not layer and block != name:
            for short, inner in PROCESSORS.items():
                yield _flat(f"{block}.processor.{short}"), known[f"{block}.{inner}"]
        if rows and name.startswith("single_blocks.") and name.endswith(".linear1"):
            block = name.removesuffix(".linear1")
            yield _flat(f"{block}.processor.qkv"), rows[:-1]
            yield _flat(f"{block}.processor.proj"), known[f"{block}.linear2"]


def _weight(module: nn.Module) -> Any:
    return module.weight


def _flat(name: str) -> str:
    return name.replace(".", "_")
