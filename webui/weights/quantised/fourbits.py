"""Safetensors files with weights of 4 bits, as bitsandbytes lays them out: NF4 and FP4.

X.weight holds two numbers in a byte, one column long; beside it stand X.weight.absmax, the table
X.weight.quant_map, and a JSON text as bytes that tells shape and group. The magnitudes may be
quantised once more, with a table and magnitudes of their own (nested).
"""

import json
import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from webui.errors import UnsupportedModel
from webui.library.headers import Header
from webui.weights.quantised.packings import FourBits
from webui.weights.quantised.source import Source
from webui.weights.quantised.stored import Stored

STATE = ".quant_state.bitsandbytes__"
KINDS = ("nf4", "fp4")
BESIDE = (".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map")
LONGEST_STATE = 4096
MAX_AXES = 8
TABLE = 16
NESTED_TABLE = 256


@dataclass(frozen=True)
class FourBitState:
    """What the JSON text beside a weight says."""

    kind: str
    shape: tuple[int, ...]
    group: int
    nested_group: int
    nested_offset: float


def find_fourbits(header: Header) -> dict[str, str]:
    """The weights of 4 bits with the names of the texts that tell their shapes."""
    found: dict[str, str] = {}
    for name in header.tensors:
        weight, mark, kind = name.rpartition(STATE)
        if mark and kind in KINDS and weight in header.tensors:
            found[weight] = name
    return found


def fourbit_companions(found: dict[str, str]) -> set[str]:
    """The names that stand beside weights of 4 bits."""
    return {name + end for name in found for end in BESIDE} | set(found.values())


def read_state(source: Source, header: Header, weight: str, name: str) -> FourBitState:
    """What the file tells of one weight. Raises UnsupportedModel where it contradicts itself."""
    try:
        if header.tensors[name].numel > LONGEST_STATE:
            raise ValueError(f"it has {header.tensors[name].numel} bytes")
        told = cast("dict[str, Any]", json.loads(bytes(source.get_tensor(name).tolist())))
        state = FourBitState(
            kind=name.rpartition(STATE)[2],
            shape=tuple(int(axis) for axis in told["shape"]),
            group=int(told["blocksize"]),
            nested_group=int(told.get("nested_blocksize", 0)),
            nested_offset=float(told.get("nested_offset", 0)),
        )
        _check(state, header, weight)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise UnsupportedModel(
            f"The 4-bit weight {weight} is described in a way that is not known here.",
            f"{type(error).__name__}: {error}",
        ) from error
    return state


def _check(state: FourBitState, header: Header, weight: str) -> None:
    """Every count must follow from the shape; a table too short would be read past its end."""
    numbers = math.prod(state.shape)
    if not 0 < len(state.shape) <= MAX_AXES or min(state.shape) < 1:
        raise ValueError(f"shape {state.shape}")
    if state.group < 2 or state.group % 2 or numbers % state.group:
        raise ValueError(f"{numbers} numbers in groups of {state.group}")
    groups = numbers // state.group
    wanted = {"": numbers // 2, ".absmax": groups, ".quant_map": TABLE}
    if _is_nested(header, weight):
        if state.nested_group < 1:
            raise ValueError(f"nested groups of {state.nested_group}")
        wanted[".nested_quant_map"] = NESTED_TABLE
        wanted[".nested_absmax"] = -(-groups // state.nested_group)
    for end, count in wanted.items():
        if header.tensors[weight + end].numel != count:
            raise ValueError(f"{weight}{end} has {header.tensors[weight + end].numel} of {count}")


def read_fourbit(
    source: Source, header: Header, weight: str, state: FourBitState, dtype: torch.dtype
) -> Stored:
    """A weight of 4 bits by its rows; by its groups where these run over the ends of rows."""
    table = tuple(source.get_tensor(f"{weight}.quant_map").float().tolist())
    packing = FourBits(state.kind.upper(), table, state.group)
    width = state.shape[-1]
    if len(state.shape) != 2 or width % state.group:
        width = state.group
    rows = math.prod(state.shape) // width
    packed = source.get_tensor(weight).view(torch.uint8).reshape(rows, width // 2)
    largest = _magnitudes(source, header, weight, state).reshape(rows, width // state.group)
    return Stored(packing, (packed, largest), width, dtype)


def _magnitudes(source: Source, header: Header, weight: str, state: FourBitState) -> Tensor:
    """The largest magnitude of every group, float32 (groups,)."""
    stored = source.get_tensor(f"{weight}.absmax").reshape(-1)
    if not _is_nested(header, weight):
        return stored.float()
    table = source.get_tensor(f"{weight}.nested_quant_map").float()
    outer = source.get_tensor(f"{weight}.nested_absmax").float().reshape(-1)
    spread = outer.repeat_interleave(state.nested_group)[: len(stored)]
    return table[stored.int()] * spread + state.nested_offset


def _is_nested(header: Header, weight: str) -> bool:
    return f"{weight}.nested_absmax" in header.tensors
