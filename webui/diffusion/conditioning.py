"""What a network is told besides the noisy latent: encoded text, pooled text, sizes, guidance."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Conditioning:
    """One encoded prompt.

    Attributes:
        context: encoded tokens, (1, T, C).
        pooled: one vector for the whole text, (1, P); SDXL, SD3, FLUX.
        size_ids: original size, crop, target size, (1, 6) float; SDXL.
        guidance: the distilled guidance value, (1,) float; FLUX.
        weight: share in a composition by AND; 1 for an ordinary prompt.
    """

    context: Tensor
    pooled: Tensor | None = None
    size_ids: Tensor | None = None
    guidance: Tensor | None = None
    weight: float = 1.0

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "Conditioning":
        """The same on another device; `dtype` applies to text only, sizes stay exact."""
        return replace(
            self,
            context=self.context.to(device=device, dtype=dtype),
            pooled=None if self.pooled is None else self.pooled.to(device=device, dtype=dtype),
            size_ids=None if self.size_ids is None else self.size_ids.to(device=device),
            guidance=None if self.guidance is None else self.guidance.to(device=device),
        )


@dataclass(frozen=True)
class Row:
    """One row of a network call: which image it belongs to, and on which side of guidance."""

    image: int
    conditioning: Conditioning
    positive: bool


@dataclass(frozen=True, eq=False)
class ConditioningBatch:
    """Stacked conditionings of the N rows of one network call.

    Attributes:
        context: (N, T, C).
        pooled: (N, P) or None.
        size_ids: (N, 6) or None.
        guidance: (N,) or None.
        images: for each row the index of its image in the batch; controls pick their hint by it.
        positive: for each row whether it is the prompt (True) or the negative prompt (False).
    """

    context: Tensor
    pooled: Tensor | None = None
    size_ids: Tensor | None = None
    guidance: Tensor | None = None
    images: tuple[int, ...] = field(default=())
    positive: tuple[bool, ...] = field(default=())


def stack(rows: Sequence[Row]) -> ConditioningBatch:
    """Stack rows of one shape into a batch.

    Raises:
        ValueError: if some rows have an optional part that others lack.
    """
    parts = [row.conditioning for row in rows]
    return ConditioningBatch(
        context=torch.cat([part.context for part in parts]),
        pooled=_stacked([part.pooled for part in parts], "pooled"),
        size_ids=_stacked([part.size_ids for part in parts], "size_ids"),
        guidance=_stacked([part.guidance for part in parts], "guidance"),
        images=tuple(row.image for row in rows),
        positive=tuple(row.positive for row in rows),
    )


def _stacked(parts: Sequence[Tensor | None], name: str) -> Tensor | None:
    given = [part for part in parts if part is not None]
    if not given:
        return None
    if len(given) != len(parts):
        raise ValueError(f"some conditionings of one batch have {name} and some have not")
    return torch.cat(given)


def by_length(rows: Sequence[Row]) -> list[list[int]]:
    """Group row indices by token count, in order of first appearance.

    The rule for unequal lengths: each length is a call of its own. Padding would need a mask that
    not every network takes, and without one it changes the picture; separate calls never do.
    """
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row.conditioning.context.shape[1], []).append(index)
    return list(groups.values())
