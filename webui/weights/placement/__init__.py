"""Where the parts of a checkpoint lie, where they work, and how they get from one to the other."""

from webui.weights.placement.homes import like_of, settle_at
from webui.weights.placement.plans import Placement, Plan, Storage, fitting, smaller
from webui.weights.placement.quarters import Format, Quarters
from webui.weights.placement.stages import Berth, Stage

__all__ = [
    "Berth",
    "Format",
    "Placement",
    "Plan",
    "Quarters",
    "Stage",
    "Storage",
    "fitting",
    "like_of",
    "settle_at",
    "smaller",
]
