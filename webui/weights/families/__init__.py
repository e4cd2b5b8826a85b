"""The table of model families: one row each, told apart by the names and shapes of tensors."""

from webui.weights.families.lookup import FAMILIES, identify, identify_folder
from webui.weights.families.marks import says_v
from webui.weights.families.rows import (
    CONFIGS,
    NETWORK,
    Defaults,
    Joining,
    LatentFormat,
    ModelFamily,
    Numbers,
    Part,
    PredictionKind,
    Sight,
    TextEncoder,
)
from webui.weights.families.unets import first_attention

__all__ = [
    "CONFIGS",
    "FAMILIES",
    "NETWORK",
    "Defaults",
    "Joining",
    "LatentFormat",
    "ModelFamily",
    "Numbers",
    "Part",
    "PredictionKind",
    "Sight",
    "TextEncoder",
    "first_attention",
    "identify",
    "identify_folder",
    "says_v",
]
