"""Stand-ins for a network and for noise."""

from collections.abc import Callable

import torch
from torch import Tensor

from webui.diffusion.noise import Brownian


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
