"""Safetensors files with floating point of 8 bits: plainly cast, or with scales beside the weights.

The scaled form has X.scale_weight (newer writers say X.weight_scale) beside X.weight, and a tensor
scaled_fp8 as its mark; a weight is what is stored, times its scale.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from webui.errors import UnsupportedModel
from webui.library.headers import Header
from webui.weights.quantised.packings import Eighths
from webui.weights.quantised.source import Source
from webui.weights.quantised.stored import Stored

FORMATS: Mapping[str, torch.dtype] = {
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
WEIGHT = "weight"
SCALES = ("scale_weight", "weight_scale")
REMARKS = ("scale_input", "input_scale", "comfy_quant")
"""For multiplying in 8 bits, which is not done here."""
MARK = "scaled_fp8"


def find_eighths(header: Header) -> dict[str, str]:
    """The tensors of 8 bits with the names of their scales, "" where they have none."""
    found: dict[str, str] = {}
    for name, info in header.tensors.items():
        if info.dtype not in FORMATS or name.endswith(MARK):
            continue
        stem = name.removesuffix(WEIGHT)
        scales = (stem + scale for scale in SCALES if name.endswith(f".{WEIGHT}"))
        found[name] = next((scale for scale in scales if scale in header.tensors), "")
    return found


def companions(header: Header, found: Mapping[str, str]) -> set[str]:
    """The names in the file that stand beside weights of 8 bits and are none themselves."""
    remarks = {
        name.removesuffix(WEIGHT) + remark
        for name, scale in found.items()
        for remark in (*SCALES, *REMARKS)
        if scale
    }
    marks = {name for name in header.tensors if name.rpartition(".")[2] == MARK}
    return marks | (remarks & header.tensors.keys())


def read_eighth(
    source: Source, name: str, scale: str, shape: tuple[int, ...], dtype: torch.dtype
) -> Stored:
    """A tensor of 8 bits, as rows. Raises UnsupportedModel where its scale does not fit."""
    numbers = source.get_tensor(name)
    rows = shape[0] if len(shape) > 1 else 1
    numbers = numbers.reshape(rows, -1)
    packing = Eighths(str(numbers.dtype).removeprefix("torch."))
    parts = (numbers, _factors(source, scale, rows)) if scale else (numbers,)
    return Stored(packing, parts, numbers.shape[1], dtype)


def _factors(source: Source, name: str, rows: int) -> Tensor:
    """One factor for each row."""
    factors = source.get_tensor(name).float().reshape(-1, 1)
    if len(factors) not in (1, rows):
        raise UnsupportedModel(
            f"The file's 8-bit weights are scaled in a way that is not known here: {name} holds "
            f"{len(factors)} scales for {rows} rows."
        )
    return factors.expand(rows, 1)
