"""Which block of a U-Net a tensor belongs to, and how much of the other model it takes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from webui.errors import InvalidRequest
from webui.library.identify.networks import PREFIX

PLACES = re.compile(r"(input_blocks|middle_block|output_blocks)\.(\d+)\.")
FIRST, LAST = "time_embed.", "out."
"""What comes before the first block counts as it, what comes after the last as that one."""

SIZES = {25: 12, 26: 12, 19: 9, 20: 9}
"""How many blocks lead down, and up again, by the length of the list of weights."""


@dataclass(frozen=True)
class Shares:
    """The share of the other model for every tensor, by the tensor's name.

    `blocks` lists input, middle and output blocks; None where one share holds for all.
    """

    base: float
    blocks: tuple[float, ...] | None = None

    @classmethod
    def of(cls, multiplier: float, blocks: Sequence[float]) -> "Shares":
        """From a list with or without a weight for everything else in front."""
        if not blocks:
            return cls(multiplier)
        depth = SIZES[len(blocks)]
        without_base = 2 * depth + 1
        base = blocks[0] if len(blocks) > without_base else multiplier
        return cls(base, tuple(blocks[-without_base:]))

    def share(self, name: str) -> float:
        """The share for the tensor called `name`. Raises InvalidRequest for too short a list."""
        if self.blocks is None or not name.startswith(PREFIX):
            return self.base
        place = name.removeprefix(PREFIX)
        depth = len(self.blocks) // 2
        if place.startswith(FIRST):
            return self.blocks[0]
        if place.startswith(LAST):
            return self.blocks[-1]
        found = PLACES.match(place)
        if found is None:
            return self.base
        if found[1] == "middle_block":
            return self.blocks[depth]
        number = int(found[2])
        if number >= depth:
            raise InvalidRequest(
                "blocks", f"This model has more blocks than {len(self.blocks)} weights are for."
            )
        return self.blocks[number + (depth + 1 if found[1] == "output_blocks" else 0)]
