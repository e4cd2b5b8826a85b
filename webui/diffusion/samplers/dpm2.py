"""DPM2: a half step first, then the whole one along the slope found there."""

from itertools import pairwise

from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.samplers.step import churn, move, slope


def sample_dpm2(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """DPM-Solver-2 (Lu et al. 2022, arXiv:2206.00927, algorithm 1) in the loop of Karras et al.

    The half step is at the mean of log sigma; the step to zero stays first order.
    """
    for sigma, sigma_next in pairwise(sigmas):
        x, sigma_hat = churn(x, sigma, len(sigmas) - 1, noise, options)
        x = _halved(denoiser, x, denoiser(x, sigma_hat), sigma_hat, sigma_next)
    return x


def sample_dpm2_a(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """DPM2 with ancestral noise; eta 1 by default."""
    eta = 1.0 if options.eta is None else options.eta
    for sigma, sigma_next in pairwise(sigmas):
        step = options.space.ancestral_step(sigma, sigma_next, eta)
        x = _halved(denoiser, x, denoiser(x, sigma), sigma, step.sigma_down) * step.x_scale
        if eta > 0 and step.sigma_down > 0:
            x = x + noise.step() * (options.s_noise * step.sigma_up)
    return x


def _halved(
    denoiser: Denoiser, x: Tensor, denoised: Tensor, sigma: Tensor, sigma_next: Tensor
) -> Tensor:
    if sigma_next == 0:
        return move(x, denoised, sigma, sigma_next)
    sigma_mid = sigma.log().lerp(sigma_next.log(), 0.5).exp()
    middle = move(x, denoised, sigma, sigma_mid)
    return x + slope(denoiser, middle, sigma_mid) * (sigma_next - sigma)
