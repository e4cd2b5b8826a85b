"""LoRA and its relatives: files that change the layers of a checkpoint while they are in force."""

from webui.weights.adapters.application import Adapters, Wish
from webui.weights.adapters.files import Adapter, read_adapter

__all__ = ["Adapter", "Adapters", "Wish", "read_adapter"]
