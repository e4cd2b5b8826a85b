"""Stand-ins for a network and for noise."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from webui.diffusion.noise import Brownian

MEAN: Final = 0.3  # of the Gaussian that the toy data come from
SPREAD: Final = 0.6


def denoise_gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    """The best estimate of N(MEAN, SPREAD^2) data in variance-exploding space."""
    return (SPREAD**2 * x + sigma**2 * MEAN) / (SPREAD**2 + sigma**2)


def denoise_flow(x: Tensor, sigma: Tensor) -> Tensor:
    """The same in a flow's space."""
    alpha = 1 - sigma
    gain = alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2)
    return MEAN + gain * (x - alpha * MEAN)


class Silence:
    """A noise source for solvers that must not ask for noise."""

    def step(self) -> Tensor:
        raise AssertionError("a deterministic solver asked for noise")

    def brownian(self, sigma_min: float, sigma_max: float) -> Brownian:
        return lambda sigma, sigma_next: torch.zeros(())


class Counted:
    """A denoiser that remembers the noise levels it was called with."""

    def __init__(self, denoiser: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.denoiser = denoiser
        self.sigmas: list[float] = []

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.sigmas.append(float(sigma))
        return self.denoiser(x, sigma)
