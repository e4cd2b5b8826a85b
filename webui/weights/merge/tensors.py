"""The arithmetic of merging on pieces of tensors: bytes in, bytes out, single precision between."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from webui.library.entries import TensorInfo
from webui.library.tensorfile import TensorReader

FLOATS: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
ELEMENTS = 1 << 21
"""How many elements of a tensor are in memory at a time."""


def is_float(info: TensorInfo) -> bool:
    """Whether its elements are numbers that can be mixed."""
    return info.dtype in FLOATS


def elements(reader: TensorReader, name: str) -> Iterator[Tensor]:
    """A tensor's elements in single precision (double stays), piece by piece, in a row."""
    dtype = FLOATS[reader.header.tensors[name].dtype]
    wide = dtype if dtype is torch.float64 else torch.float32
    for piece in reader.pieces(name, ELEMENTS * dtype.itemsize):
        yield torch.frombuffer(piece, dtype=dtype).to(wide)


def as_bytes(values: Tensor, dtype: str) -> memoryview:
    """The elements as the file stores them, rounded once."""
    stored = values.to(FLOATS[dtype]).contiguous().reshape(-1)
    return memoryview(stored.view(torch.uint8).numpy())  # pyright: ignore[reportArgumentType]


def mixed(
    a: Iterator[Tensor], b: Iterator[Tensor], c: Iterator[Tensor] | None, share: float
) -> Iterator[Tensor]:
    """A (1 - share) + B share; with C instead A + (B - C) share."""
    if c is None:
        for one, other in zip(a, b, strict=True):
            yield one * (1 - share) + other * share
    else:
        for one, other, origin in zip(a, b, c, strict=True):
            yield one + (other - origin) * share


def first_channels_mixed(
    a: Tensor, b: Tensor, c: Tensor | None, share: float, channels: int
) -> Tensor:
    """A layer that also sees a mask or a source, with one that sees the latent's `channels` only.

    `a` is [out, in, h, w]; `b` and `c` are the elements of [out, channels, h, w] in a row.
    """
    part = a[:, :channels]
    other = b.reshape(part.shape)
    if c is None:
        mix = part * (1 - share) + other * share
    else:
        mix = part + (other - c.reshape(part.shape)) * share
    return torch.cat((mix, a[:, channels:]), 1)
