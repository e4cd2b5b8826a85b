"""DPM-Solver++ for the equation with noise (Lu et al. 2022, arXiv:2211.01095).

The noise is the increment of one Brownian path per image, so that a seed draws the same path
whatever the number of steps. `eta` 0 leaves the noise-free equation, 1 is the paper's.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.samplers.step import glide, move, positive_range


def sample_dpmpp_sde(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """SDE-DPM-Solver++(2S) as k-diffusion has it: midpoint 1/2 in log SNR, ancestral half steps."""
    if len(sigmas) < 2:
        return x
    eta = 1.0 if options.eta is None else options.eta
    space = options.space
    fresh = noise.brownian(*positive_range(sigmas, options))
    for sigma, sigma_next in pairwise(sigmas):
        denoised = denoiser(x, sigma)
        if sigma_next == 0:
            x = move(x, denoised, sigma, sigma_next)
            continue
        start, end = space.log_snr(sigma), space.log_snr(sigma_next)
        sigma_mid = space.sigma_at(start + (end - start) * 0.5)
        # The path is asked at levels gone through the logarithm, as the older UI does: where their
        # last digits differ, so do its finest twigs.
        top, bottom = space.sigma_at(start), space.sigma_at(end)
        step = space.ancestral_step(sigma, sigma_mid, eta)
        middle = glide(x, denoised, sigma, step.sigma_down) * step.x_scale
        if eta > 0:
            middle = middle + fresh(top, sigma_mid) * (options.s_noise * step.sigma_up)
        # With the midpoint at 1/2 the two estimates weigh 1 - 1/(2 * 1/2) = 0 and 1.
        denoised = denoiser(middle, sigma_mid)
        step = space.ancestral_step(sigma, sigma_next, eta)
        x = glide(x, denoised, sigma, step.sigma_down) * step.x_scale
        if eta > 0:
            x = x + fresh(top, bottom) * (options.s_noise * step.sigma_up)
    return x


def sample_dpmpp_2m_sde(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """SDE-DPM-Solver++(2M), algorithm 2 for the equation with noise; midpoint correction."""
    return _multistep(denoiser, x, sigmas, noise, options, _midpoint)


def sample_dpmpp_2m_sde_heun(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """SDE-DPM-Solver++(2M) with the slope of the estimates integrated over the step."""
    return _multistep(denoiser, x, sigmas, noise, options, _integrated)


def sample_dpmpp_3m_sde(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """SDE-DPM-Solver++ of third order (Katherine Crowson), after two steps of lower order."""
    return _multistep(denoiser, x, sigmas, noise, options, _curved)


Correction: TypeAlias = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], Tensor]
"""`(estimates, ratios, h) -> correction`: clean estimates, the newest first; the sizes of the
steps between them over this step's; this step's size in log SNR, times 1 + eta."""


def _multistep(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: NoiseSource,
    options: SamplerOptions,
    correction: Correction,
) -> Tensor:
    if len(sigmas) < 2:
        return x
    eta = 1.0 if options.eta is None else options.eta
    space = options.space
    fresh = noise.brownian(*positive_range(sigmas, options))
    estimates: list[Tensor] = []  # (B, C, H, W) each, the newest first
    sizes: list[Tensor] = []  # of the steps between them
    for sigma, sigma_next in pairwise(sigmas):
        estimates = [denoiser(x, sigma), *estimates[:2]]
        if sigma_next == 0:
            return estimates[0]
        h = space.log_snr(sigma_next) - space.log_snr(sigma)
        target = -torch.expm1(-h * (1 + eta)) * estimates[0]
        if sizes:
            target = target + correction(estimates, [size / h for size in sizes], h * (1 + eta))
        x = sigma_next / sigma * torch.exp(-eta * h) * x + space.alpha(sigma_next) * target
        if eta > 0:
            spread = sigma_next * (-torch.expm1(-2 * eta * h)).sqrt()
            x = x + fresh(sigma, sigma_next) * (options.s_noise * spread)
        sizes = [h, *sizes[:1]]
    return x


def _midpoint(estimates: Sequence[Tensor], ratios: Sequence[Tensor], h: Tensor) -> Tensor:
    return -0.5 * torch.expm1(-h) / ratios[0] * (estimates[0] - estimates[1])


def _integrated(estimates: Sequence[Tensor], ratios: Sequence[Tensor], h: Tensor) -> Tensor:
    return _phi_2(h) / ratios[0] * (estimates[0] - estimates[1])


def _curved(estimates: Sequence[Tensor], ratios: Sequence[Tensor], h: Tensor) -> Tensor:
    """The parabola through the last three estimates, integrated over the step."""
    if len(ratios) < 2:
        return _integrated(estimates, ratios, h)
    late, early = ratios
    slope = (estimates[0] - estimates[1]) / late
    bend = (slope - (estimates[1] - estimates[2]) / early) / (late + early)
    return _phi_2(h) * (slope + bend * late) - (_phi_2(h) / h - 0.5) * bend


def _phi_2(h: Tensor) -> Tensor:
    return torch.expm1(-h) / h + 1
