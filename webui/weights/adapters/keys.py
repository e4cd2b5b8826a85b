"""Names of tensors in adapter files: which layer they are for, and what they are to it.

Underscores cannot be turned back into dots by rule, so the table goes the other way: every layer
of the checkpoint is listed under all the names that files have for it, written flat.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from webui.weights.checkpoint import Checkpoint
from webui.weights.naming import original_unet

IA3 = "ia3"
TRAINERS = ("lora_", "lycoris_")
"""What all names of kohya's and LyCORIS' files start with."""

ENDINGS = {
    "lora_up.weight": "up",
    "lora_B.weight": "up",
    "lora_B.default.weight": "up",
    "lora.up.weight": "up",
    "lora_linear_layer.up.weight": "up",
    "lora_down.weight": "down",
    "lora_A.weight": "down",
    "lora_A.default.weight": "down",
    "lora.down.weight": "down",
    "lora_linear_layer.down.weight": "down",
    "lora_mid.weight": "mid",
    "lora_magnitude_vector": "magnitude",
    "lora_magnitude_vector.weight": "magnitude",
    "weight": IA3,
}
"""What names end in where the word for it is another one; the others end in their own word."""

WORDS = (
    "alpha", "dora_scale", "diff", "diff_b", "w_norm", "b_norm", "on_input",
    "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t1", "lokr_t2",
)  # fmt: skip

ALL_ENDINGS = {**ENDINGS, **{word: word for word in WORDS}}
NETWORK_PREFIXES = ("lora_unet_", "unet_", "lycoris_", "lycoris_unet_", "base_model_model_")
ORIGINAL_PREFIXES = ("lora_unet_", "diffusion_model_", "model_diffusion_model_")
INNER = "text_model_"
BLOCKS = ("conv_in", "time_embedding.", "down_blocks.", "mid_block.", "up_blocks.", "conv_")

_PROCESSOR = re.compile(r"\.processor\.to_(q|k|v|out)_lora\.(up|down)\.weight$")
"""What diffusers wrote in 2023: the change of a projection under its attention's processor."""


@dataclass(frozen=True, eq=False)
class Place:
    """A layer that adapters can change; `text` tells the text encoders' from the network's."""

    module: nn.Module
    text: bool


def split_name(name: str) -> tuple[str, str] | None:
    """The layer's path, flat, and the word for what the tensor is to it; None where unknown."""
    name = _PROCESSOR.sub(_plain_projection, name)
    dot = 0
    while (dot := name.find(".", dot)) >= 0:  # the longest ending that is known
        word = ALL_ENDINGS.get(name[dot + 1 :])
        if word == IA3 and not name.startswith(TRAINERS):
            return None  # a whole checkpoint's weight, not a change
        if word is not None:
            return name[:dot].replace(".", "_"), word
        dot += 1
    return None


def _plain_projection(found: re.Match[str]) -> str:
    projection = "out.0" if found[1] == "out" else found[1]
    return f".to_{projection}.lora.{found[2]}.weight"


def find_places(checkpoint: Checkpoint) -> dict[str, Place]:
    """Every layer of the network and the text encoders by each flat name that files have for it."""
    network = checkpoint.network.module
    places: dict[str, Place] = {}
    layers = _layers(network)
    known = {name: Place(module, text=False) for name, module in layers.items()}
    for name, place in known.items():
        for prefix in NETWORK_PREFIXES:
            places[prefix + _flat(name)] = place
    for name, original in _original_names(network, layers):
        for prefix in ORIGINAL_PREFIXES:
            places[prefix + _flat(original)] = known[name]
    for index, encoder in enumerate(checkpoint.text_encoders):
        for name, module in _layers(encoder).items():
            bare, place = _flat(name).removeprefix(INNER), Place(module, text=True)
            for prefix in _text_prefixes(index):
                places[prefix + bare] = places[prefix + INNER + bare] = place
    return places


def _text_prefixes(index: int) -> tuple[str, ...]:
    """What names of the text encoder at `index` start with; the first is often not counted."""
    if index:
        return (f"lora_te{index + 1}_", f"text_encoder_{index + 1}_")
    return ("lora_te_", "lora_te1_", "text_encoder_")


def _layers(root: nn.Module) -> dict[str, nn.Module]:
    """The modules that have a weight of their own."""
    return {
        name: module
        for name, module in root.named_modules()
        if isinstance(getattr(module, "weight", None), nn.Parameter)
    }


def _original_names(
    network: nn.Module, layers: Mapping[str, nn.Module]
) -> Iterator[tuple[str, str]]:
    """Layers of a UNet with their names in original files; nothing for other networks."""
    per_block = getattr(network, "config", {}).get("layers_per_block")
    if not isinstance(per_block, int):
        return
    names = [name for name in layers if name.startswith(BLOCKS)]
    stated: dict[str, Tensor] = {f"{n}.weight": _weight(layers[n]) for n in names}
    for name, original in zip(names, original_unet(stated, per_block), strict=True):
        yield name, original.removesuffix(".weight")


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def _flat(name: str) -> str:
    return name.replace(".", "_")
