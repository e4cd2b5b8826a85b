"""The ways in which files store a matrix in fewer bits, and how its rows are unpacked.

A packing's parts are tensors with one row for each row of the matrix, so that a matrix can be cut
and joined along its rows without being unpacked.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from webui.library.gguf import BLOCKS
from webui.weights.quantised.blocks import UNPACK

BLOCK_BYTES = {block.name: block.bytes for block in BLOCKS.values()}

Parts = tuple[Tensor, ...]


class Packing(Protocol):
    """One way of storing; compared by value: equal packings can be joined."""

    @property
    def name(self) -> str:
        """What people call it, such as Q4_K."""
        ...

    def unpack(self, parts: Parts, width: int) -> Tensor:
        """The rows (R, width) in float32."""
        ...


@dataclass(frozen=True)
class Blocks:
    """GGUF's; the part is (R, bytes of a row)."""

    name: str

    def unpack(self, parts: Parts, width: int) -> Tensor:
        """Each block by its kind's own rule."""
        blocks = parts[0].reshape(-1, BLOCK_BYTES[self.name])
        return UNPACK[self.name](blocks).reshape(-1, width)


@dataclass(frozen=True)
class Eighths:
    """Floating point of 8 bits (R, width), perhaps with one factor for each row, (R, 1)."""

    name: str

    def unpack(self, parts: Parts, width: int) -> Tensor:
        """As stored, times the factor."""
        numbers = parts[0].float()
        return numbers * parts[1] if len(parts) > 1 else numbers


@dataclass(frozen=True)
class FourBits:
    """A table's sixteen values, times the largest magnitude of each group of a row.

    The parts are (R, width / 2), the earlier number in the higher half of a byte, and
    (R, width / group) in float32. NF4 is such a table: Dettmers et al. 2023, arXiv:2305.14314,
    appendix E.
    """

    name: str
    table: tuple[float, ...]
    group: int

    def unpack(self, parts: Parts, width: int) -> Tensor:
        """Look up each half of a byte, and scale its group."""
        packed, largest = parts
        table = torch.tensor(self.table, dtype=torch.float32, device=packed.device)
        places = torch.stack((packed >> 4, packed & 15), dim=-1).int()
        groups = table[places].reshape(len(packed), -1, self.group)
        return (groups * largest[..., None]).reshape(len(packed), width)
