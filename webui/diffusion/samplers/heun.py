"""Heun's method: Euler's step, corrected by the slope at its end."""

from itertools import pairwise

from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.samplers.step import churn


def sample_heun(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Karras et al. 2022 (arXiv:2206.00364), algorithm 2; the step to zero stays first order."""
    for sigma, sigma_next in pairwise(sigmas):
        x, sigma_hat = churn(x, sigma, len(sigmas) - 1, noise, options)
        slope = (x - denoiser(x, sigma_hat)) / sigma_hat
        ahead = x + slope * (sigma_next - sigma_hat)
        if sigma_next > 0:
            slope_ahead = (ahead - denoiser(ahead, sigma_next)) / sigma_next
            ahead = x + (slope + slope_ahead) / 2 * (sigma_next - sigma_hat)
        x = ahead
    return x
