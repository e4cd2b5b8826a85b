"""Where the names of adapter files lead: every layer of a checkpoint under all its flat names.

Underscores cannot be turned back into dots by rule, so the table goes the other way: every layer
of the checkpoint is listed under all the names that files have for it, written flat.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from webui.weights.adapters.transformers import transformer_names
from webui.weights.checkpoint import Checkpoint
from webui.weights.naming import original_unet

NETWORK_PREFIXES = ("lora_unet_", "unet_", "lycoris_", "lycoris_unet_", "base_model_model_")
ORIGINAL_PREFIXES = ("lora_unet_", "diffusion_model_", "model_diffusion_model_")
INNER = "text_model_"
UNET = ("conv_in", "time_embedding.", "add_embedding.", "down_blocks.", "mid_block.", "up_blocks.")
UNET_LAYERS = (*UNET, "conv_norm_out", "conv_out")
TEXT_BLOCK = "BASE"
"""What weights by block call all of a text encoder."""

_NUMBERED = re.compile(r"(input|middle|output)_blocks?\.(\d+)\.")
_SIDES = {"input": "IN", "output": "OUT"}


@dataclass(frozen=True, eq=False)
class Piece:
    """The rows of a layer from `start` to `stop`; all of them where nothing else is said."""

    module: nn.Module
    start: int = 0
    stop: int | None = None

    def of(self, tensor: Tensor) -> Tensor:
        """A view of its rows in the module's weight or bias, or in what is added to them."""
        return tensor[self.start : self.stop]


@dataclass(frozen=True, eq=False)
class Place:
    """What one name of adapter files means in a checkpoint.

    Attributes:
        pieces: the rows of the file's layer, piece behind piece; nearly always one whole layer.
            Where a file joins what the checkpoint keeps apart, as `qkv`, they are several.
        text: whether it belongs to a text encoder, and so has that one's strength.
        block: what weights by block call it, as IN04, M00, OUT11 or BASE; "" outside of them.
    """

    pieces: tuple[Piece, ...]
    text: bool = False
    block: str = ""

    @property
    def module(self) -> nn.Module:
        """The layer, or the first of several."""
        return self.pieces[0].module

    @property
    def weights(self) -> "list[tuple[nn.Parameter, Piece]]":
        """The weight of every piece."""
        return self._all("weight")

    @property
    def biases(self) -> "list[tuple[nn.Parameter, Piece]]":
        """The bias of every piece; none unless all of them have one."""
        return self._all("bias")

    def _all(self, word: str) -> "list[tuple[nn.Parameter, Piece]]":
        found = [(getattr(piece.module, word, None), piece) for piece in self.pieces]
        kept = [(one, piece) for one, piece in found if isinstance(one, nn.Parameter)]
        return kept if len(kept) == len(found) else []


def find_places(checkpoint: Checkpoint) -> dict[str, Place]:
    """Every layer of the network and the text encoders by each flat name that files have for it."""
    places = network_places(checkpoint.network.module)
    for index, encoder in enumerate(checkpoint.text_encoders):
        places |= text_places(encoder, index)
    return places


def network_places(network: nn.Module) -> dict[str, Place]:
    """Every layer of a denoising network by its names, in diffusers' words and the original's."""
    layers = find_layers(network)
    originals = _original_names(network, layers)
    places: dict[str, Place] = {}
    known: dict[str, Place] = {}
    for name, module in layers.items():
        known[name] = Place((Piece(module),), block=block_of(originals.get(name, "")))
        for prefix in NETWORK_PREFIXES:
            places[prefix + flat(name)] = known[name]
    for name, original in originals.items():
        for prefix in ORIGINAL_PREFIXES:
            places[prefix + flat(original)] = known[name]
    for name, rows in transformer_names(network, layers):
        pieces = tuple(Piece(layers[layer], first, last) for layer, first, last in rows)
        places[name] = Place(pieces)
    return places


def text_places(encoder: nn.Module, index: int) -> dict[str, Place]:
    """Every layer of the text encoder at `index` by its names."""
    places: dict[str, Place] = {}
    for name, module in find_layers(encoder).items():
        bare, place = flat(name).removeprefix(INNER), Place((Piece(module),), True, TEXT_BLOCK)
        for prefix in _text_prefixes(encoder, index):
            places[prefix + bare] = places[prefix + INNER + bare] = place
    return places


def find_layers(root: nn.Module) -> dict[str, nn.Module]:
    """The modules that have a weight of their own, by name."""
    named = root.named_modules()
    return {name: module for name, module in named if isinstance(_weight(module), nn.Parameter)}


def _weight(module: nn.Module) -> object:
    return getattr(module, "weight", None)


def flat(name: str) -> str:
    """A name as it stands in files that have no dots within a layer's name."""
    return name.replace(".", "_")


def block_of(original: str) -> str:
    """What weights by block call the block of a UNet's layer; "" for layers outside of blocks."""
    found = _NUMBERED.match(original)
    if found is None:
        return ""
    return "M00" if found[1] == "middle" else f"{_SIDES[found[1]]}{int(found[2]):02d}"


def _text_prefixes(encoder: nn.Module, index: int) -> tuple[str, ...]:
    """What names of the text encoder at `index` start with; the first is often not counted."""
    third = ("lora_te3_",) if type(encoder).__name__.startswith("T5") else ()
    if index:
        return (f"lora_te{index + 1}_", f"text_encoder_{index + 1}_", *third)
    return ("lora_te_", "lora_te1_", "text_encoder_")


def _original_names(network: nn.Module, layers: Mapping[str, nn.Module]) -> dict[str, str]:
    """The names that layers of a UNet have in original files; nothing for other networks."""
    per_block = getattr(network, "config", {}).get("layers_per_block")
    if not isinstance(per_block, int):
        return {}
    names = [name for name in layers if name.startswith(UNET_LAYERS)]
    nothing = torch.empty(0)
    stated = original_unet({f"{name}.weight": nothing for name in names}, per_block)
    return dict(zip(names, (name.removesuffix(".weight") for name in stated), strict=True))
