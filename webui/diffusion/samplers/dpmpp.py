"""DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095): multistep, and single-step stochastic."""

from itertools import pairwise

import torch
from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.samplers.step import move


def sample_dpmpp_2m(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """DPM-Solver++(2M), algorithm 2; first and last steps are of first order."""
    log_snr = options.space.log_snr(sigmas)  # (n + 1,), infinite where sigma is zero
    previous: Tensor | None = None
    for i in range(len(sigmas) - 1):
        denoised = denoiser(x, sigmas[i])
        slanted = denoised
        if previous is not None and sigmas[i + 1] > 0:
            ratio = (log_snr[i] - log_snr[i - 1]) / (log_snr[i + 1] - log_snr[i])
            weight = 1 / (2 * ratio)
            slanted = (1 + weight) * denoised - weight * previous
        x = _toward(x, slanted, sigmas[i], sigmas[i + 1])
        previous = denoised
    return x


def sample_dpmpp_sde(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """The stochastic DPM-Solver++(2S) of k-diffusion: midpoint 1/2 in log SNR, Brownian noise.

    Each half goes down by an ancestral step of its own; eta 1 by default.
    """
    if len(sigmas) < 2:
        return x
    eta = 1.0 if options.eta is None else options.eta
    space = options.space
    fresh = noise.brownian(*(options.noise_range or _positive_range(sigmas)))
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoiser(x, sigma)
        if sigma_next == 0:
            x = move(x, denoised, sigma, sigma_next)
            continue
        start, end = space.log_snr(sigma), space.log_snr(sigma_next)
        sigma_mid = space.sigma_at(start + (end - start) * 0.5)
        step = space.ancestral_step(sigma, sigma_mid, eta)
        middle = _toward(x, denoised, sigma, step.sigma_down) * step.x_scale
        if eta > 0:
            middle = middle + fresh(sigma, sigma_mid) * (options.s_noise * step.sigma_up)
        # With the midpoint at 1/2 the two estimates weigh 1 - 1/(2 * 1/2) = 0 and 1.
        denoised = denoiser(middle, sigma_mid)
        step = space.ancestral_step(sigma, sigma_next, eta)
        x = _toward(x, denoised, sigma, step.sigma_down) * step.x_scale
        if eta > 0:
            x = x + fresh(sigma, sigma_next) * (options.s_noise * step.sigma_up)
    return x


def _toward(x: Tensor, denoised: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """The exponential first-order step; -expm1(-h) is 1 - sigma_next / sigma in either space."""
    ratio = sigma_next / sigma
    return ratio * x + (1 - ratio) * denoised


def _positive_range(sigmas: Tensor) -> tuple[float, float]:
    positive = sigmas[sigmas > 0]
    return torch.min(positive).item(), torch.max(positive).item()
