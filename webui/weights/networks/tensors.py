"""Bringing tensors to where a network computes."""

from torch import Tensor


def moved(tensors: tuple[Tensor, ...], like: Tensor) -> tuple[Tensor, ...]:
    """Every tensor on the device of `like`, in its dtype."""
    return tuple(tensor.to(like) for tensor in tensors)
