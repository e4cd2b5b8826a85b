"""Model files whose weights are stored in fewer bits: read, unpacked, or kept as they are."""

from webui.weights.quantised.files import State, TensorFile, open_tensors
from webui.weights.quantised.stored import Stored

__all__ = ["State", "Stored", "TensorFile", "open_tensors"]
