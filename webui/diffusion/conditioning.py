"""What a network is told besides the noisy latent: encoded text, pooled text, sizes, guidance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Conditioning:
    """One encoded prompt.

    Attributes:
        context: encoded tokens, (1, T, C).
        pooled: one vector for the whole text, (1, P); SDXL, SD3, FLUX.
        size_ids: original size, crop, target size, (1, 6) float; SDXL. Its refiner has a score
            in the place of the target size, (1, 5).
        guidance: the distilled guidance value, (1,) float; FLUX.
        reference: clean latents of a picture that is seen as further tokens, (1, C, h, w); Kontext.
        weight: share in a composition by AND; 1 for an ordinary prompt.
    """

    context: Tensor
    pooled: Tensor | None = None
    size_ids: Tensor | None = None
    guidance: Tensor | None = None
    reference: Tensor | None = None
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
            reference=None if self.reference is None else self.reference.to(device=device),
        )

    def lengthened(self, more: Tensor) -> "Conditioning":
        """The same with further vectors (1, n, C) at the end of its context."""
        return replace(self, context=torch.cat([self.context, more], dim=1))


@dataclass(frozen=True, eq=False)
class Segment:
    """A stretch of a prompt's timeline: what is told up to and including call `last_call`."""

    last_call: int
    conditioning: Conditioning


@dataclass(frozen=True, eq=False)
class Part:
    """One prompt over time, with its share in a composition by AND.

    Raises ValueError without segments.
    """

    segments: tuple[Segment, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.segments:
            raise ValueError("a part needs at least one segment")

    def at(self, call: int) -> Conditioning:
        """What is told at the network call with this number, counted from 0.

        Calls beyond the last segment, as adaptive samplers make, get the first one again: so did
        the older UI.
        """
        fitting = (one for one in self.segments if call <= one.last_call)
        told = next(fitting, self.segments[0]).conditioning
        return told if told.weight == self.weight else replace(told, weight=self.weight)


@dataclass(frozen=True, eq=False)
class Timeline:
    """What one image is told over the calls of the network: weighted parts, each over time.

    Raises ValueError without parts.
    """

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a timeline needs at least one part")

    @classmethod
    def constant(cls, conditioning: Conditioning) -> "Timeline":
        """One prompt that never changes."""
        return cls((Part((Segment(0, conditioning),), conditioning.weight),))

    @property
    def changes(self) -> bool:
        """Whether any part is told more than one thing."""
        return any(len(part.segments) > 1 for part in self.parts)

    def at(self, call: int) -> tuple[Conditioning, ...]:
        """The weighted parts at the network call with this number, counted from 0.

        Shorter parts repeat their last vector up to the length of the longest, as in the older UI.
        """
        told = tuple(part.at(call) for part in self.parts)
        longest = max(one.context.shape[1] for one in told)
        return tuple(_repeated(one, longest) for one in told)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "Timeline":
        """The same on another device, as `Conditioning.to`."""
        return self.each(lambda one: one.to(device, dtype))

    def each(self, change: Callable[[Conditioning], Conditioning]) -> "Timeline":
        """The same with every conditioning changed."""

        def changed(part: Part) -> Part:
            segments = (Segment(one.last_call, change(one.conditioning)) for one in part.segments)
            return replace(part, segments=tuple(segments))

        return Timeline(tuple(changed(part) for part in self.parts))


Told: TypeAlias = tuple[Conditioning, ...]
Padding: TypeAlias = Callable[[Told, Told], tuple[Told, Told]]
"""`(cond, uncond) -> (cond, uncond)`: brings both sides of one call to one length."""


def pad_with(empty: Conditioning) -> Padding:
    """Padding that fills the shorter side up with an encoded empty prompt, (1, 77, C)."""

    def filled(parts: Told, length: int) -> Told:
        missing = (length - parts[0].context.shape[1]) // empty.context.shape[1]
        if missing <= 0:
            return parts
        more = empty.context.repeat(1, missing, 1)
        return tuple(part.lengthened(more.to(part.context)) for part in parts)

    def pad(cond: Told, uncond: Told) -> tuple[Told, Told]:
        length = max(cond[0].context.shape[1], uncond[0].context.shape[1])
        return filled(cond, length), filled(uncond, length)

    return pad


def pad_by_repeating(cond: Told, uncond: Told) -> tuple[Told, Told]:
    """The older padding: the negative prompt repeats its last vector, or is cut, to fit."""
    length = cond[0].context.shape[1]
    cut = (replace(part, context=part.context[:, :length]) for part in uncond)
    return cond, tuple(_repeated(part, length) for part in cut)


def _repeated(conditioning: Conditioning, length: int) -> Conditioning:
    """The context brought to `length` by repeating its last vector."""
    missing = length - conditioning.context.shape[1]
    if missing <= 0:
        return conditioning
    return conditioning.lengthened(conditioning.context[:, -1:].expand(-1, missing, -1))


@dataclass(frozen=True)
class Row:
    """One row of a network call: which image it belongs to, and on which side of guidance.

    `sighted` says whether the network sees what it is shown beside the latent, as `Shown` does.
    """

    image: int
    conditioning: Conditioning
    positive: bool
    sighted: bool = True


@dataclass(frozen=True, eq=False)
class ConditioningBatch:
    """Stacked conditionings of the N rows of one network call.

    Attributes:
        context: (N, T, C).
        pooled: (N, P) or None.
        size_ids: (N, 5 or 6) or None.
        guidance: (N,) or None.
        reference: (N, C, h, w) or None.
        images: for each row the index of its image in the batch; controls pick their hint by it.
        positive: for each row whether it is the prompt (True) or the negative prompt (False).
        sighted: for each row whether it sees what the network is shown beside the latent.
    """

    context: Tensor
    pooled: Tensor | None = None
    size_ids: Tensor | None = None
    guidance: Tensor | None = None
    reference: Tensor | None = None
    images: tuple[int, ...] = field(default=())
    positive: tuple[bool, ...] = field(default=())
    sighted: tuple[bool, ...] = field(default=())


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
        reference=_stacked([part.reference for part in parts], "reference"),
        images=tuple(row.image for row in rows),
        positive=tuple(row.positive for row in rows),
        sighted=tuple(row.sighted for row in rows),
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
