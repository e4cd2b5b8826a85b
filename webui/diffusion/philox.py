"""Philox 4x32-10, the counter-based generator of CUDA, in integer tensor arithmetic.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". With it a seed gives on any
machine the normal numbers that torch draws on an NVIDIA card.
"""

import math
from typing import Final, TypeAlias

import torch
from torch import Tensor

MASK: Final = 0xFFFFFFFF
MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS: Final = (0x9E3779B9, 0xBB67AE85)
ROUNDS: Final = 10


class Philox:
    """A stream of normal numbers from a 64-bit seed; each draw is one counter value."""

    def __init__(self, seed: int) -> None:
        self.key = (seed & MASK, seed >> 32 & MASK)
        self.draws = 0

    def randn(self, *shape: int) -> Tensor:
        """The next draw, float32 on the CPU."""
        index = torch.arange(math.prod(shape), dtype=torch.int64)
        zeros = torch.zeros_like(index)
        first, second = _philox((zeros + self.draws, zeros, index, zeros), self.key)
        self.draws += 1
        return _box_muller(first, second).reshape(shape)


Words: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]


def _philox(counter: Words, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The first two 32-bit words of each counter's block, in int64."""
    a, b, c, d = counter
    for round_index in range(ROUNDS):
        # 32 x 32 bit products wrap in int64, but their two halves come out right.
        left, right = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        key_left = key[0] + KEY_STEPS[0] * round_index & MASK
        key_right = key[1] + KEY_STEPS[1] * round_index & MASK
        a, b, c, d = (
            (right >> 32 & MASK) ^ b ^ key_left,
            right & MASK,
            (left >> 32 & MASK) ^ d ^ key_right,
            left & MASK,
        )
    return a, b


def _box_muller(first: Tensor, second: Tensor) -> Tensor:
    """Normal numbers from two uniform words, in double precision, rounded at the end."""
    unit = 2.0**-32
    turn = unit * 2 * math.pi
    u = first.double() * unit + unit / 2
    v = second.double() * turn + turn / 2
    return ((-2 * u.log()).sqrt() * v.sin()).float()
