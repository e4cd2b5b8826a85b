"""GGUF's packed numbers unpacked: each function takes blocks (n, bytes) and gives (n, numbers).

A block is a group of 32 or 256 neighbours of a row with scales of their own. The layouts are those
of the ggml project: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Unpack = Callable[[Tensor], Tensor]

NEAR_LINEAR = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
"""The sixteen values of IQ4."""


def _half(blocks: Tensor, start: int) -> Tensor:
    """One half-precision number of every block, (n, 1), in single precision."""
    return blocks[:, start : start + 2].contiguous().view(torch.float16).float()


def _nibbles(packed: Tensor) -> Tensor:
    """Bytes (..., k) to the low halves, then the high halves: (..., 2, k)."""
    return torch.stack((packed & 15, packed >> 4), dim=-2)


def _pairs(packed: Tensor) -> Tensor:
    """Bytes (..., k) to their four pairs of bits, lowest first: (..., 4, k)."""
    return torch.stack([packed >> shift & 3 for shift in (0, 2, 4, 6)], dim=-2)


def _bits(packed: Tensor) -> Tensor:
    """Bytes (..., k) to their eight bits, lowest first: (..., 8, k)."""
    return torch.stack([packed >> shift & 1 for shift in range(8)], dim=-2)


def _fifth_bits(blocks: Tensor, start: int) -> Tensor:
    """The highest bit of 32 numbers of five bits, ready to be added."""
    return _bits(blocks[:, start : start + 4]).transpose(1, 2).reshape(-1, 32) << 4


def _q4_0(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * (_nibbles(blocks[:, 2:]).reshape(-1, 32).float() - 8)


def _q4_1(blocks: Tensor) -> Tensor:
    numbers = _nibbles(blocks[:, 4:]).reshape(-1, 32).float()
    return _half(blocks, 0) * numbers + _half(blocks, 2)


def _q5_0(blocks: Tensor) -> Tensor:
    numbers = _nibbles(blocks[:, 6:]).reshape(-1, 32) | _fifth_bits(blocks, 2)
    return _half(blocks, 0) * (numbers.float() - 16)


def _q5_1(blocks: Tensor) -> Tensor:
    numbers = _nibbles(blocks[:, 8:]).reshape(-1, 32) | _fifth_bits(blocks, 4)
    return _half(blocks, 0) * numbers.float() + _half(blocks, 2)


def _q8_0(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * blocks[:, 2:].contiguous().view(torch.int8).float()


def _q2_k(blocks: Tensor) -> Tensor:
    scales, packed = blocks[:, :16], blocks[:, 16:80]
    numbers = _pairs(packed.reshape(-1, 2, 32)).reshape(-1, 16, 16).float()
    step = _half(blocks, 80) * (scales & 15).float()
    least = _half(blocks, 82) * (scales >> 4).float()
    return (step[..., None] * numbers - least[..., None]).reshape(-1, 256)


def _q3_k(blocks: Tensor) -> Tensor:
    high, packed, scales = blocks[:, :32], blocks[:, 32:96], blocks[:, 96:108]
    low = _pairs(packed.reshape(-1, 2, 32)).reshape(-1, 256)
    numbers = (low | (_bits(high).reshape(-1, 256) << 2)).float() - 4
    factors = _nibbles(scales[:, :8]).reshape(-1, 16) | _pairs(scales[:, 8:]).reshape(-1, 16) << 4
    step = _half(blocks, 108) * (factors.float() - 32)
    return (step[..., None] * numbers.reshape(-1, 16, 16)).reshape(-1, 256)


def _six_bit_scales(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Twelve bytes to eight scales and eight minima, (n, 8) each."""
    first, second, rest = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = torch.cat((first & 63, (rest & 15) | (first >> 6 << 4)), dim=1)
    minima = torch.cat((second & 63, (rest >> 4) | (second >> 6 << 4)), dim=1)
    return scales.float(), minima.float()


def _stepped(blocks: Tensor, numbers: Tensor) -> Tensor:
    """Numbers (n, 8, 32) of Q4_K and Q5_K with the scales at their blocks' beginning."""
    scales, minima = _six_bit_scales(blocks[:, 4:16])
    step, least = _half(blocks, 0) * scales, _half(blocks, 2) * minima
    return (step[..., None] * numbers.float() - least[..., None]).reshape(-1, 256)


def _q4_k(blocks: Tensor) -> Tensor:
    return _stepped(blocks, _nibbles(blocks[:, 16:].reshape(-1, 4, 32)).reshape(-1, 8, 32))


def _q5_k(blocks: Tensor) -> Tensor:
    low = _nibbles(blocks[:, 48:].reshape(-1, 4, 32)).reshape(-1, 8, 32)
    return _stepped(blocks, low | _bits(blocks[:, 16:48]) << 4)


def _q6_k(blocks: Tensor) -> Tensor:
    low = _nibbles(blocks[:, :128].reshape(-1, 2, 64)).reshape(-1, 256)
    high = _pairs(blocks[:, 128:192].reshape(-1, 2, 32)).reshape(-1, 256)
    numbers = (low | high << 4).float().reshape(-1, 16, 16) - 32
    step = _half(blocks, 208) * blocks[:, 192:208].contiguous().view(torch.int8).float()
    return (step[..., None] * numbers).reshape(-1, 256)


def _near_linear(packed: Tensor) -> Tensor:
    table = torch.tensor(NEAR_LINEAR, dtype=torch.float32, device=packed.device)
    return table[_nibbles(packed).int()]


def _iq4_nl(blocks: Tensor) -> Tensor:
    return _half(blocks, 0) * _near_linear(blocks[:, 2:]).reshape(-1, 32)


def _iq4_xs(blocks: Tensor) -> Tensor:
    high, low = blocks[:, 2:4], blocks[:, 4:8]
    upper = _pairs(high).transpose(1, 2).reshape(-1, 8)
    factors = _nibbles(low).transpose(1, 2).reshape(-1, 8) | upper << 4
    step = _half(blocks, 0) * (factors.float() - 32)
    numbers = _near_linear(blocks[:, 8:].reshape(-1, 8, 16)).reshape(-1, 8, 32)
    return (step[..., None] * numbers).reshape(-1, 256)


UNPACK: Mapping[str, Unpack] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    "IQ4_NL": _iq4_nl,
    "IQ4_XS": _iq4_xs,
}
"""By the name that `webui.library.gguf.BLOCKS` gives the kind; the result is float32."""
