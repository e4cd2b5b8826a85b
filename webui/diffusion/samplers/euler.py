"""Euler's method, and its ancestral form."""

from itertools import pairwise

from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.samplers.step import churn, move


def sample_euler(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Karras et al. 2022 (arXiv:2206.00364), algorithm 2 without the second-order correction."""
    for sigma, sigma_next in pairwise(sigmas):
        x, sigma_hat = churn(x, sigma, len(sigmas) - 1, noise, options)
        x = move(x, denoiser(x, sigma_hat), sigma_hat, sigma_next)
    return x


def sample_euler_a(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Euler steps with fresh noise; at eta 1 the ancestral sampling of DDPM (arXiv:2006.11239)."""
    eta = 1.0 if options.eta is None else options.eta
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoiser(x, sigma)
        step = options.space.ancestral_step(sigma, sigma_next, eta)
        x = move(x, denoised, sigma, step.sigma_down) * step.x_scale
        if eta > 0 and sigma_next > 0:
            x = x + noise.step() * step.sigma_up
    return x
