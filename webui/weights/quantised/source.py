"""Where the named tensors of a safetensors file come from."""

from typing import Protocol

from torch import Tensor


class Source(Protocol):
    """An open file, as `safetensors.safe_open` gives it."""

    def get_tensor(self, name: str, /) -> Tensor:
        """One tensor as stored."""
        ...
