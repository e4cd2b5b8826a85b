"""The original names of FLUX's and Stable Diffusion 3's layers, beside diffusers' names.

The original files join projections that diffusers keeps apart: the rows of one layer are those of
several, one behind the other. The order of the last modulation's halves differs as well.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from webui.errors import UnsupportedModel

State = dict[str, Tensor]

POSITIONS = "pos_embed"
WORDS = {"scale": "weight"}
"""Last words of original names where diffusers has another one."""


@dataclass(frozen=True)
class Layer:
    """A layer of an original file.

    Attributes:
        name: its original name, without prefix.
        targets: the layers of diffusers that its rows are, in their order.
        widths_first: whether every target but the last has as many rows as the network is wide;
            otherwise all have equally many.
        swapped: whether its first half, which shifts, comes second in diffusers.
    """

    name: str
    targets: tuple[str, ...]
    widths_first: bool = False
    swapped: bool = False

    def sizes(self, rows: int, width: int) -> list[int]:
        """How many of `rows` each target has, in a network of `width` channels."""
        others = len(self.targets) - 1
        share = width if self.widths_first else rows // len(self.targets)
        return [share] * others + [rows - share * others]

    def pieces(self, tensor: Tensor, width: int) -> Iterator[tuple[str, Tensor]]:
        """Each target with its rows of `tensor`; views but for swapped halves."""
        if self.swapped:
            shift, scale = tensor.chunk(2)
            yield self.targets[0], torch.cat([scale, shift])
            return
        sizes = self.sizes(len(tensor), width)
        yield from zip(self.targets, tensor.split(sizes), strict=True)


def flux_layers(doubles: int, singles: int) -> list[Layer]:
    """Every layer of a FLUX transformer with this many blocks of each kind."""
    layers = [Layer(original, (target,)) for original, target in FLUX_ENDS.items()]
    for n in range(doubles):
        layers += _placed(FLUX_DOUBLE, f"double_blocks.{n}.", f"transformer_blocks.{n}.")
    for n in range(singles):
        layers += _placed(FLUX_SINGLE, f"single_blocks.{n}.", f"single_transformer_blocks.{n}.")
    return [*layers, LAST]


def sd3_layers(blocks: int) -> list[Layer]:
    """Every layer of a Stable Diffusion 3 transformer; only some blocks have all of these."""
    layers = [Layer(original, (target,)) for original, target in SD3_ENDS.items()]
    for n in range(blocks):
        layers += _placed(SD3_BLOCK, f"joint_blocks.{n}.", f"transformer_blocks.{n}.")
        layers.append(
            Layer(
                f"joint_blocks.{n}.context_block.adaLN_modulation.1",
                (f"transformer_blocks.{n}.norm1_context.linear",),
                swapped=n == blocks - 1,
            )
        )
    return [*layers, LAST]


def count_blocks(names: Iterable[str], kind: str) -> int:
    """How many blocks called `kind` there are, by the highest number among `names`."""
    found = (re.match(rf"{kind}\.(\d+)\.", name) for name in names)
    return max((int(one[1]) + 1 for one in found if one), default=0)


def diffusers_flux(state: Mapping[str, Tensor]) -> State:
    """A FLUX transformer's tensors, without prefix, under diffusers' names.

    Raises UnsupportedModel where a tensor has no place.
    """
    layers = flux_layers(count_blocks(state, "double_blocks"), count_blocks(state, "single_blocks"))
    return _renamed(state, layers, len(state.get("img_in.bias", ())))


def diffusers_sd3(state: Mapping[str, Tensor]) -> State:
    """A Stable Diffusion 3 transformer's tensors, without prefix, under diffusers' names.

    Raises UnsupportedModel where a tensor has no place.
    """
    return _renamed(state, sd3_layers(count_blocks(state, "joint_blocks")), 0)


def _renamed(state: Mapping[str, Tensor], layers: Sequence[Layer], width: int) -> State:
    table = {layer.name: layer for layer in layers}
    result: State = {}
    for name, tensor in state.items():
        if name == POSITIONS:
            result[f"{POSITIONS}.{POSITIONS}"] = tensor
            continue
        stem, _, word = name.rpartition(".")
        if stem not in table:
            raise UnsupportedModel(
                "The file's transformer holds tensors of an unknown kind.",
                f"{name} has no place",
            )
        for target, rows in table[stem].pieces(tensor, width):
            result[f"{target}.{WORDS.get(word, word)}"] = rows
    return result


def _placed(block: Sequence[Layer], original: str, target: str) -> list[Layer]:
    return [
        Layer(
            original + layer.name,
            tuple(target + one for one in layer.targets),
            layer.widths_first,
            layer.swapped,
        )
        for layer in block
    ]


def _projections(original: str, attention: str, added: bool) -> list[Layer]:
    """Query, key and value of one stream, joined in the original."""
    form = "add_{}_proj" if added else "to_{}"
    return [Layer(original, tuple(f"{attention}.{form.format(which)}" for which in "qkv"))]


FLUX_ENDS = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "final_layer.linear": "proj_out",
}
FLUX_DOUBLE = (
    *_projections("img_attn.qkv", "attn", added=False),
    *_projections("txt_attn.qkv", "attn", added=True),
    Layer("img_mod.lin", ("norm1.linear",)),
    Layer("txt_mod.lin", ("norm1_context.linear",)),
    Layer("img_attn.norm.query_norm", ("attn.norm_q",)),
    Layer("img_attn.norm.key_norm", ("attn.norm_k",)),
    Layer("txt_attn.norm.query_norm", ("attn.norm_added_q",)),
    Layer("txt_attn.norm.key_norm", ("attn.norm_added_k",)),
    Layer("img_attn.proj", ("attn.to_out.0",)),
    Layer("txt_attn.proj", ("attn.to_add_out",)),
    Layer("img_mlp.0", ("ff.net.0.proj",)),
    Layer("img_mlp.2", ("ff.net.2",)),
    Layer("txt_mlp.0", ("ff_context.net.0.proj",)),
    Layer("txt_mlp.2", ("ff_context.net.2",)),
)
FLUX_SINGLE = (
    Layer("linear1", ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"), widths_first=True),
    Layer("linear2", ("proj_out",)),
    Layer("modulation.lin", ("norm.linear",)),
    Layer("norm.query_norm", ("attn.norm_q",)),
    Layer("norm.key_norm", ("attn.norm_k",)),
)
SD3_ENDS = {
    "x_embedder.proj": "pos_embed.proj",
    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
    "context_embedder": "context_embedder",
    "final_layer.linear": "proj_out",
}
SD3_BLOCK = (
    *_projections("x_block.attn.qkv", "attn", added=False),
    *_projections("x_block.attn2.qkv", "attn2", added=False),
    *_projections("context_block.attn.qkv", "attn", added=True),
    Layer("x_block.attn.ln_q", ("attn.norm_q",)),
    Layer("x_block.attn.ln_k", ("attn.norm_k",)),
    Layer("x_block.attn2.ln_q", ("attn2.norm_q",)),
    Layer("x_block.attn2.ln_k", ("attn2.norm_k",)),
    Layer("context_block.attn.ln_q", ("attn.norm_added_q",)),
    Layer("context_block.attn.ln_k", ("attn.norm_added_k",)),
    Layer("x_block.attn.proj", ("attn.to_out.0",)),
    Layer("x_block.attn2.proj", ("attn2.to_out.0",)),
    Layer("context_block.attn.proj", ("attn.to_add_out",)),
    Layer("x_block.mlp.fc1", ("ff.net.0.proj",)),
    Layer("x_block.mlp.fc2", ("ff.net.2",)),
    Layer("context_block.mlp.fc1", ("ff_context.net.0.proj",)),
    Layer("context_block.mlp.fc2", ("ff_context.net.2",)),
    Layer("x_block.adaLN_modulation.1", ("norm1.linear",)),
)
LAST = Layer("final_layer.adaLN_modulation.1", ("norm_out.linear",), swapped=True)
