"""Where a module computes, and in which number format: not always where and how its weights lie."""

import torch
from torch import Tensor, nn

HOME = "_palimpsest_home"


def settle_at(module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Note that `module` computes on `device` in `dtype`, wherever its weights lie."""
    # A tensor that is no buffer: the module's own moves and state leave it alone.
    object.__setattr__(module, HOME, torch.empty(0, device=device, dtype=dtype))


def like_of(module: nn.Module) -> Tensor:
    """A tensor on the device and in the dtype that `module` computes in."""
    home: Tensor | None = getattr(module, HOME, None)
    return next(module.parameters()) if home is None else home
