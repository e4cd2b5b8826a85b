"""Safetensors files of 4 bits, in the layout of bitsandbytes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from webui.errors import UnsupportedModel
from webui.weights.quantised import Stored, TensorFile, open_tensors

NF4 = torch.tensor(
    [
        *(-1.0, -0.6961928, -0.5250731, -0.3949175, -0.2844414, -0.1847734, -0.0910500, 0.0),
        *(0.0795803, 0.1609302, 0.2461123, 0.3379152, 0.4407098, 0.5626170, 0.7229568, 1.0),
    ]
)
"""Normal float of 4 bits: Dettmers et al. 2023, arXiv:2305.14314, appendix E."""

GROUP, OUTER = 64, 256
STATE = "x.weight.quant_state.bitsandbytes__nf4"


def packed(weight: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """The tensors of a file with one weight, and the weight as it can be read from there."""
    groups = weight.reshape(-1, GROUP)
    largest = groups.abs().amax(1)
    places = (groups / largest[:, None])[..., None].sub(NF4).abs().argmin(-1)
    high, low = places.reshape(-1, 2).unbind(1)
    told = {"quant_type": "nf4", "blocksize": GROUP, "dtype": "bfloat16"}
    state = {
        "x.weight": (high << 4 | low).to(torch.uint8)[:, None],
        "x.weight.absmax": largest,
        "x.weight.quant_map": NF4,
        STATE: text(told | {"shape": list(weight.shape)}),
    }
    return state, (NF4[places] * largest[:, None]).reshape(weight.shape)


def text(told: dict[str, Any]) -> Tensor:
    return torch.tensor(list(json.dumps(told).encode()), dtype=torch.uint8)


def write(folder: Path, state: dict[str, Tensor]) -> TensorFile:
    path = folder / "model.safetensors"
    save_file(state, path)
    return open_tensors(path)


@pytest.mark.parametrize("shape", [(6, 128), (8, 40)])
def test_weights_of_four_bits_are_looked_up_and_scaled(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    state, wanted = packed(torch.randn(shape, generator=torch.manual_seed(0)))
    file = write(tmp_path, state)
    assert file.header.shape("x.weight") == shape
    assert list(file.header.tensors) == ["x.weight"]
    assert torch.equal(file.read(["x.weight"], torch.float32)["x.weight"], wanted)
    kept = file.read(["x.weight"], torch.float32, keep=True)["x.weight"]
    # Groups that run over the ends of rows cannot be kept: rows could not be cut.
    assert isinstance(kept, Stored) == (shape[1] % GROUP == 0)
    assert torch.equal(kept + 0, wanted)


def test_magnitudes_may_be_quantised_once_more(tmp_path: Path) -> None:
    state, _ = packed(torch.randn(100, 256, generator=torch.manual_seed(0)))
    largest, offset = state["x.weight.absmax"], 2.5
    table = torch.linspace(-1, 1, 256)
    outer = torch.stack([p.sub(offset).abs().amax() for p in largest.split(OUTER)])
    spread = outer.repeat_interleave(OUTER)[: len(largest)]
    places = ((largest - offset) / spread)[:, None].sub(table).abs().argmin(1)
    told = {"shape": [100, 256], "blocksize": GROUP, "nested_blocksize": OUTER}
    state |= {
        "x.weight.absmax": places.to(torch.uint8),
        "x.weight.nested_absmax": outer,
        "x.weight.nested_quant_map": table,
        STATE: text(told | {"nested_offset": offset}),
    }
    coarse = table[places] * spread + offset
    numbers = torch.stack((state["x.weight"] >> 4, state["x.weight"] & 15), -1).int()
    wanted = NF4[numbers].reshape(-1, GROUP) * coarse[:, None]
    read = write(tmp_path, state).read(["x.weight"], torch.float32)["x.weight"]
    assert torch.equal(read, wanted.reshape(100, 256))


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": [6, 64]},
        {"shape": [6, -128]},
        {"shape": []},
        {"shape": [6, 128], "blocksize": 0},
        {"shape": [6, 128], "blocksize": 7},
        {"shape": "6"},
        {},
    ],
)
def test_descriptions_that_contradict_the_file_are_refused(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    state, _ = packed(torch.ones(6, 128))
    with pytest.raises(UnsupportedModel, match=r"x\.weight is described"):
        write(tmp_path, state | {STATE: text({"blocksize": GROUP} | wrong)})


def test_a_table_that_is_missing_is_refused(tmp_path: Path) -> None:
    state, _ = packed(torch.ones(6, 128))
    del state["x.weight.quant_map"]
    with pytest.raises(UnsupportedModel, match=r"x\.weight is described"):
        write(tmp_path, state)
