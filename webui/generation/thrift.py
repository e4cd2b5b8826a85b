"""What memory was too small for: requests of the same shape start from the smaller plan."""

from collections.abc import Hashable, Sequence
from typing import Protocol

from webui.contract.items import Item
from webui.generation.caches import Recent
from webui.weights.placement import Plan

REMEMBERED = 32


class Device(Protocol):
    """The part of `webui.weights.residency.Residency` that plans come from."""

    def use(self, plan: Plan | None) -> None:
        """Follow `plan` from now on; None: what the settings ask for."""
        ...

    def smaller(self) -> Plan | None:
        """The next plan that needs less memory than the present one; None: there is none."""
        ...


class Thrift:
    """Chooses the plan of each run by what became of those before it.

    The later items of a job have the shape of its first, so they start where that one ended.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._plans = Recent[list[Plan]](REMEMBERED)

    def begin(self, items: Sequence[Item]) -> None:
        """Follow the plan that requests of this shape need, as far as that is known."""
        known = self._known(items)
        self._device.use(known[-1] if known else None)

    def shrink(self, items: Sequence[Item]) -> Plan | None:
        """Follow the next smaller plan, now and for this shape later; None: there is none."""
        plan = self._device.smaller()
        if plan is not None:
            self._known(items).append(plan)
            self._device.use(plan)
        return plan

    def _known(self, items: Sequence[Item]) -> list[Plan]:
        return self._plans.get(_shape(items), list)


def _shape(items: Sequence[Item]) -> Hashable:
    """What of requests decides how much memory they need."""
    request = items[0].request
    canvas = request.canvas
    parts = (request.hires, request.refiner, request.source is None)
    return (request.model, canvas.width, canvas.height, canvas.tiling, *parts, len(items))


def described(plan: Plan) -> str:
    """A plan for people, as the end of a sentence."""
    where = {
        "full": "",
        "model": "one part of the model on the device at a time",
        "group": "one block of the model on the device at a time",
        "sequential": "one layer of the model on the device at a time",
    }[plan.placement]
    tiles = "the autoencoder in tiles" if plan.tile_pixels else ""
    attention = "attention in slices" if plan.sliced else ""
    return ", ".join(filter(None, (where, tiles, attention)))
