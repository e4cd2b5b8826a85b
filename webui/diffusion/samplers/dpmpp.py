"""DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095) on the noise-free equation, and ancestral."""

from itertools import pairwise

from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.samplers.step import glide, move


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
        x = glide(x, slanted, sigmas[i], sigmas[i + 1])
        previous = denoised
    return x


def sample_dpmpp_2s_a(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """DPM-Solver++(2S), algorithm 1, with its midpoint at 1/2, and ancestral noise; eta 1."""
    eta = 1.0 if options.eta is None else options.eta
    space = options.space
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoiser(x, sigma)
        step = space.ancestral_step(sigma, sigma_next, eta)
        if step.sigma_down == 0:
            x = move(x, denoised, sigma, step.sigma_down)
        else:
            start, end = space.log_snr(sigma), space.log_snr(step.sigma_down)
            sigma_mid = space.sigma_at(start + (end - start) * 0.5)
            middle = glide(x, denoised, sigma, sigma_mid)
            x = glide(x, denoiser(middle, sigma_mid), sigma, step.sigma_down)
        x = x * step.x_scale
        if eta > 0 and sigma_next > 0:
            x = x + noise.step() * (options.s_noise * step.sigma_up)
    return x
