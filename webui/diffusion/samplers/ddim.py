"""Samplers on the timesteps of training: DDIM, DDIM with CFG++, PLMS.

Their schedule stops at the first training timestep, above zero; x is then read as it stands in
variance-preserving scale, which is what the older UI decodes.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.samplers.step import slope


def sample_ddim(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Song et al. 2020 (arXiv:2010.02502), equation 12, in terms of sigma; eta 0 by default."""
    return _ddim(denoiser, x, sigmas, noise, options, lambda denoised: denoised)


def sample_ddim_cfgpp(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """CFG++ (Chung et al. 2024, arXiv:2406.08070), algorithm 2: noise is the negative prompt's.

    The guidance scale of the paper, 0 to 1, is `Sampler.cfg_factor` times the one asked for.
    """
    negative = options.last_uncond
    return _ddim(
        denoiser, x, sigmas, noise, options, lambda own: own if negative is None else negative()
    )


def _ddim(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: NoiseSource,
    options: SamplerOptions,
    origin: Callable[[Tensor], Tensor],
) -> Tensor:
    """Steps to the clean estimate, plus the noise that lies between x and `origin(estimate)`."""
    eta = 0.0 if options.eta is None else options.eta
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoiser(x, sigma)
        step = options.space.ancestral_step(sigma, sigma_next, eta)
        away = (x - origin(denoised)) * (step.sigma_down / sigma)
        x = (denoised + away) * step.x_scale
        if eta > 0 and sigma_next > 0:
            x = x + noise.step() * step.sigma_up
    return x / options.space.unit(sigmas[-1])


def sample_plms(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Liu et al. 2022 (arXiv:2202.09778), pseudo linear multistep of fourth order.

    The first step takes a second call at its end in place of earlier estimates.
    """
    slopes: list[Tensor] = []  # the newest first
    for sigma, sigma_next in pairwise(sigmas):
        slopes = [slope(denoiser, x, sigma), *slopes[:3]]
        mean = _adams(slopes)
        if len(slopes) == 1 and sigma_next > 0:
            ahead = slope(denoiser, x + mean * (sigma_next - sigma), sigma_next)
            mean = (mean + ahead) / 2
        x = x + mean * (sigma_next - sigma)
    return x / options.space.unit(sigmas[-1])


def _adams(slopes: list[Tensor]) -> Tensor:
    """The formula of Adams and Bashforth for even steps, of the highest order they allow."""
    match slopes:
        case [a, b, c, d]:
            return (55 * a - 59 * b + 37 * c - 9 * d) / 24
        case [a, b, c]:
            return (23 * a - 16 * b + 5 * c) / 12
        case [a, b]:
            return (3 * a - b) / 2
        case _:
            return slopes[0]
