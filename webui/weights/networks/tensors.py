"""Where a network's tensors are, and bringing others there."""

from torch import Tensor, nn


def like_of(module: nn.Module) -> Tensor:
    """Any parameter: it shows the module's device and dtype."""
    return next(module.parameters())


def moved(tensors: tuple[Tensor, ...], like: Tensor) -> tuple[Tensor, ...]:
    """Every tensor on the device of `like`, in its dtype."""
    return tuple(tensor.to(like) for tensor in tensors)
