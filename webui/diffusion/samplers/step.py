"""Moves that several solvers share."""

from torch import Tensor

from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions


def move(x: Tensor, denoised: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """The first-order step along the straight line through x and its clean estimate."""
    return x + (x - denoised) / sigma * (sigma_next - sigma)


def churn(
    x: Tensor, sigma: Tensor, steps: int, noise: NoiseSource, options: SamplerOptions
) -> tuple[Tensor, Tensor]:
    """Raise x from sigma to a higher sigma_hat with fresh noise; returns both.

    Karras et al. 2022 (arXiv:2206.00364), algorithm 2, lines 4 to 6.
    """
    if options.s_churn <= 0:
        return x, sigma
    # Drawn at every step, used or not: so the older UI keeps count of its draws.
    fresh = noise.step() * options.s_noise
    gamma = min(options.s_churn / steps, 2**0.5 - 1)
    sigma_hat = sigma * (1 + gamma)
    if not options.s_tmin <= sigma <= options.s_tmax or sigma_hat > options.space.ceiling:
        return x, sigma
    shrink = options.space.alpha(sigma_hat) / options.space.alpha(sigma)
    added = (sigma_hat**2 - (shrink * sigma) ** 2) ** 0.5
    return x * shrink + fresh * added, sigma_hat
