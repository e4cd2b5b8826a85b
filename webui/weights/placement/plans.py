"""Plans: how much of a checkpoint is on the device at a time, and in which number format."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

Placement = Literal["full", "model", "group", "sequential"]
"""What is on the device at a time: everything, one part, one block, one layer."""

Storage = Literal["compute", "file", "fp8"]
"""How weights are kept: in the format that is computed in, as the file has them, in eight bits."""

PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
SMALL_PIXELS = 512 * 512
"""Above this many pixels the autoencoder works in tiles where memory is short."""

SPARE = 0.9
"""The share of the free memory that a plan may count on; the rest is lost between allocations."""


@dataclass(frozen=True)
class Plan:
    """What the machine decides for a run.

    Attributes:
        placement: what is on the device at a time.
        storage: how weights are kept; layers widen them while they work.
        tile_pixels: pictures above this many pixels go through the autoencoder in tiles; 0: never.
        sliced: whether attention is computed for a few queries at a time.
    """

    placement: Placement = "full"
    storage: Storage = "compute"
    tile_pixels: int = 0
    sliced: bool = False


def smaller(plan: Plan, offloads: bool) -> Plan | None:
    """The next plan that needs less memory; None where there is none.

    `offloads` says whether the device has a memory of its own to leave.
    """
    tiles = min(plan.tile_pixels or SMALL_PIXELS, SMALL_PIXELS)
    less = replace(plan, tile_pixels=tiles)
    following = PLACEMENTS.index(plan.placement) + 1
    if offloads and following < len(PLACEMENTS):
        less = replace(less, placement=PLACEMENTS[following])
    elif less == plan:
        less = replace(less, sliced=True)
    return None if less == plan else less


def fitting(parts: dict[str, int], working: int, free: int) -> Placement:
    """The largest placement that `free` bytes hold.

    `parts` has the bytes of each part as they lie on the device, `working` is what a pass needs
    beside them.
    """
    room = int(free * SPARE) - working
    if sum(parts.values()) <= room:
        return "full"
    if max(parts.values(), default=0) <= room:
        return "model"
    return "group"
