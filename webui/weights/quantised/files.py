"""Model files of every storage read as named tensors: plain, GGUF, of 8 and of 4 bits.

One view for all: names and shapes are those that the model has in 16 bits, and a tensor comes
unpacked in the wanted format, or kept as stored to save memory.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from webui.library.entries import TensorInfo
from webui.library.gguf import BLOCKS, GgufIndex, read_gguf
from webui.library.headers import Header, read_header
from webui.weights.quantised.blocks import UNPACK
from webui.weights.quantised.eighths import companions, find_eighths, read_eighth
from webui.weights.quantised.fourbits import (
    FourBitState,
    find_fourbits,
    fourbit_companions,
    read_fourbit,
    read_state,
)
from webui.weights.quantised.packings import Blocks
from webui.weights.quantised.stored import Stored

State = dict[str, Tensor]

WHOLE_NUMBERS: Mapping[str, torch.dtype] = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F64": torch.float64,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
}
NUMBERS = {block.name: block.numbers for block in BLOCKS.values()}


class TensorFile(Protocol):
    """A model file that can be asked for its tensors.

    `header` has the names and shapes of the model in 16 bits; its dtypes tell how each tensor is
    stored, such as F16, F8_E4M3, NF4 or Q4_K.
    """

    path: Path
    header: Header

    def read(self, names: Iterable[str], dtype: torch.dtype, keep: bool = False) -> State:
        """The tensors of these names on the CPU, mapped from the file where that can be.

        What is stored plainly comes as it is, what is packed comes in `dtype`: unpacked, or with
        `keep` as `Stored` matrices that are unpacked at each use. Raises UnsupportedModel.
        """
        ...


def open_tensors(path: Path) -> TensorFile:
    """Look into the model file at `path`. Raises UnsupportedModel, StorageError."""
    header = read_header(path)
    index = read_gguf(path)
    return SafeTensorFile(path, header) if index is None else GgufFile(path, index)


class GgufFile:
    """A GGUF file."""

    def __init__(self, path: Path, index: GgufIndex) -> None:
        self.path = path
        self.header = Header(index.tensors, index.metadata)
        self._places = index.places

    def read(self, names: Iterable[str], dtype: torch.dtype, keep: bool = False) -> State:
        """See `TensorFile`."""
        # Copy on write: torch wants memory that may be written, the file must not be.
        data = torch.from_numpy(np.memmap(self.path, mode="c"))  # pyright: ignore
        return {name: self._read(data, name, dtype, keep) for name in names}

    def _read(self, data: Tensor, name: str, dtype: torch.dtype, keep: bool) -> Tensor:
        place, info = self._places[name], self.header.tensors[name]
        stored = data[place.start : place.start + place.size]
        if info.dtype not in UNPACK:
            return stored.view(WHOLE_NUMBERS[info.dtype]).reshape(info.shape)
        numbers = NUMBERS[info.dtype]
        by_rows = len(info.shape) == 2 and info.shape[1] % numbers == 0
        width = info.shape[1] if by_rows else numbers
        rows = stored.reshape(info.numel // width, -1)
        return _given(Stored(Blocks(info.dtype), (rows,), width, dtype), info, keep)


class SafeTensorFile:
    """A safetensors file; some of its weights may be of 8 or 4 bits."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._stored = header
        self._eighths = find_eighths(header)
        self._fourbits: dict[str, FourBitState] = {}
        states = find_fourbits(header)
        if states:
            with safe_open(path, framework="pt", device="cpu") as file:
                self._fourbits = {w: read_state(file, header, w, s) for w, s in states.items()}
        self.header = self._logical(companions(header, self._eighths) | fourbit_companions(states))

    def _logical(self, beside: set[str]) -> Header:
        tensors = {n: info for n, info in self._stored.tensors.items() if n not in beside}
        for name, state in self._fourbits.items():
            tensors[name] = TensorInfo(state.kind.upper(), state.shape)
        return Header(tensors, self._stored.metadata)

    def read(self, names: Iterable[str], dtype: torch.dtype, keep: bool = False) -> State:
        """See `TensorFile`."""
        with safe_open(self.path, framework="pt", device="cpu") as file:
            return {name: self._read(file, name, dtype, keep) for name in names}

    def _read(self, file: Any, name: str, dtype: torch.dtype, keep: bool) -> Tensor:
        info = self.header.tensors[name]
        if name in self._eighths:
            scale = self._eighths[name]
            return _given(read_eighth(file, name, scale, info.shape, dtype), info, keep)
        if name in self._fourbits:
            state = self._fourbits[name]
            return _given(read_fourbit(file, self._stored, name, state, dtype), info, keep)
        return file.get_tensor(name)


def _given(stored: Stored, info: TensorInfo, keep: bool) -> Tensor:
    """Only whole matrices can be kept; what is laid out otherwise is unpacked."""
    if keep and tuple(stored.shape) == info.shape:
        return stored
    return stored.dense().reshape(info.shape)
