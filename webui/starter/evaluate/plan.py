"""How much is drawn: everything, or enough for a first look."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Counts of pictures for each part."""

    seeds: int = 16
    sources: int = 50
    photos: int = 12
    turned: int = 8
    masked: int = 10  # of each of the three kinds
    controlled: int = 16
    posed: int = 30
    held_out: int = 24
    timed: int = 3


FULL = Plan()
QUICK = Plan(
    seeds=4,
    sources=10,
    photos=3,
    turned=3,
    masked=3,
    controlled=4,
    posed=6,
    held_out=8,
    timed=1,
)
