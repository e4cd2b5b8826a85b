"""Moves that several solvers share."""

from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.space import NoiseSpace


def move(x: Tensor, denoised: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """The first-order step along the straight line through x and its clean estimate."""
    return x + (x - denoised) / sigma * (sigma_next - sigma)


def glide(x: Tensor, denoised: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """The same step as a blend of x and its clean estimate.

    It is the exponential first-order step: 1 - sigma_next / sigma is -expm1(-h) in either space.
    """
    ratio = sigma_next / sigma
    return ratio * x + (1 - ratio) * denoised


def slope(denoiser: Denoiser, x: Tensor, sigma: Tensor) -> Tensor:
    """The direction dx / dsigma at x, which in variance-exploding space is the noise estimate."""
    return (x - denoiser(x, sigma)) / sigma


def raise_noise(
    x: Tensor, sigma: Tensor, sigma_higher: Tensor, fresh: Tensor, space: NoiseSpace
) -> Tensor:
    """Bring x from `sigma` up to a higher level with unit noise `fresh` (B, C, H, W)."""
    shrink = space.alpha(sigma_higher) / space.alpha(sigma)
    missing = (sigma_higher**2 - (shrink * sigma) ** 2).clamp(min=0)
    return x * shrink + fresh * missing**0.5


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
    return raise_noise(x, sigma, sigma_hat, fresh, options.space), sigma_hat


def positive_range(sigmas: Tensor, options: SamplerOptions) -> tuple[float, float]:
    """What Brownian noise spans: the whole schedule, or as much of it as `sigmas` tells."""
    if options.noise_range is not None:
        return options.noise_range
    positive = sigmas[sigmas > 0]
    return positive.min().item(), positive.max().item()
