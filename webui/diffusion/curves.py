"""Curves between two noise levels that schedules and samplers share."""

import torch
from torch import Tensor


def karras_curve(low: float, high: float, count: int, rho: float = 7.0) -> Tensor:
    """`count` sigmas falling to `low`: Karras et al. 2022 (arXiv:2206.00364), equation 5."""
    low_root, high_root = low ** (1 / rho), high ** (1 / rho)
    ramp = torch.linspace(0, 1, count)
    return (high_root + ramp * (low_root - high_root)) ** rho
