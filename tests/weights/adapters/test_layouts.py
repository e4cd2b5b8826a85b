"""Public adapter files of SD 1.x and SDXL: every name in them leads to a layer of its shape.

`layouts.json.gz` holds names and shapes of whole files; its `origin` says where from. The networks
have their real widths, and no weights.
"""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import cast

import pytest
from accelerate import init_empty_weights
from torch import nn

from webui.weights.adapters.keys import split_name
from webui.weights.adapters.places import Place, network_places, text_places
from webui.weights.assembly import BUILDERS
from webui.weights.families.rows import CONFIGS

_told = json.loads(gzip.decompress(Path(__file__).with_name("layouts.json.gz").read_bytes()))
LAYOUTS = cast("dict[str, dict[str, list[int]]]", _told["layouts"])

SD1 = ("sd1/unet", "sd1/text_encoder")
SDXL = ("sdxl/unet", "sd1/text_encoder", "sdxl/text_encoder_2")


@cache
def empty(config: str) -> nn.Module:
    told = json.loads((CONFIGS / f"{config}.json").read_text(encoding="utf-8"))
    kind = told.get("_class_name") or told["architectures"][0]
    with init_empty_weights():
        return BUILDERS[kind](told)


@cache
def places(configs: tuple[str, ...]) -> dict[str, Place]:
    found = network_places(empty(configs[0]))
    for index, config in enumerate(configs[1:]):
        found |= text_places(empty(config), index)
    return found


def layers(layout: str) -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = {}
    for name, shape in LAYOUTS[layout].items():
        place = split_name(name)
        assert place is not None, name
        found.setdefault(place[0], {})[place[1]] = shape
    return found


def count(shape: list[int]) -> int:
    return shape[0] * count(shape[1:]) if shape else 1


def size(parts: dict[str, list[int]]) -> tuple[int, int]:
    """Rows and columns of the change that these shapes make."""
    if "up" in parts:
        return parts["up"][0], count(parts["down"][1:])
    if "hada_w1_a" in parts:
        return parts["hada_w1_a"][0], parts["hada_w1_b"][1]
    first, second = parts["lokr_w1"], parts["lokr_w2"]
    return first[0] * second[0], first[1] * count(second[1:])


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_every_name_leads_to_a_layer_of_its_shape(layout: str) -> None:
    known = places(SDXL if "sdxl" in layout else SD1)
    seen: set[int] = set()
    for path, parts in layers(layout).items():
        assert path in known, path
        weight = known[path].module.get_parameter("weight")
        assert size(parts) == (weight.shape[0], weight[0].numel()), path
        seen.add(id(weight))
    assert len(seen) == len(layers(layout))


def test_blocks_are_numbered_as_in_the_original_files() -> None:
    known = places(SDXL)
    for path, block in {
        "lora_unet_down_blocks_1_attentions_0_proj_in": "IN04",
        "lora_unet_input_blocks_4_1_proj_in": "IN04",
        "lora_unet_mid_block_attentions_0_proj_in": "M00",
        "lora_unet_up_blocks_1_attentions_2_proj_out": "OUT05",
        "lora_te2_text_model_encoder_layers_31_mlp_fc1": "BASE",
        "lora_unet_time_embed_0": "",
        "lora_unet_label_emb_0_0": "",
        "lora_unet_out_2": "",
    }.items():
        assert known[path].block == block
    assert known["lora_te1_text_model_encoder_layers_0_mlp_fc1"].text
    assert known["lora_te2_text_projection"].text
