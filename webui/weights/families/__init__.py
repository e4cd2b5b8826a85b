"""The table of model families: one row each, told apart by the names and shapes of tensors."""

from webui.weights.families.lookup import FAMILIES, identify, identify_folder
from webui.weights.families.marks import says_v
from webui.weights.families.rows import (
    CONFIGS,
    CONTEXT_KEY,
    NETWORK,
    Defaults,
    Joining,
    LatentFormat,
    ModelFamily,
    Part,
    PredictionKind,
    TextEncoder,
)

__all__ = [
    "CONFIGS",
    "CONTEXT_KEY",
    "FAMILIES",
    "NETWORK",
    "Defaults",
    "Joining",
    "LatentFormat",
    "ModelFamily",
    "Part",
    "PredictionKind",
    "TextEncoder",
    "identify",
    "identify_folder",
    "says_v",
]
