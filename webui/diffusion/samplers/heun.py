"""Heun's method, and Restart, which goes back and runs it again."""

from itertools import pairwise

import torch
from torch import Tensor

from webui.diffusion.curves import karras_curve
from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.samplers.step import churn, raise_noise, slope
from webui.diffusion.space import NoiseSpace


def sample_heun(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Karras et al. 2022 (arXiv:2206.00364), algorithm 2; the step to zero stays first order."""
    for sigma, sigma_next in pairwise(sigmas):
        x, sigma_hat = churn(x, sigma, len(sigmas) - 1, noise, options)
        x = _corrected(denoiser, x, sigma_hat, sigma_next)
    return x


def sample_restart(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Xu et al. 2023 (arXiv:2306.14878), algorithm 1, with the plan of the older UI.

    Fewer than 20 steps are Heun's alone. More are spent on a Karras schedule that is run again
    between the levels nearest 0.1 and 2 (as sigma / alpha): once in 9 steps, or, from 36 steps on,
    twice in a quarter of the steps each.
    """
    reached = sigmas[0]
    for sigma, sigma_next in _restarting(sigmas, options.space):
        if sigma > reached:
            x = raise_noise(x, reached, sigma, noise.step(), options.space)
        x = _corrected(denoiser, x, sigma, sigma_next)
        reached = sigma_next
    return x


def _corrected(denoiser: Denoiser, x: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """Euler's step, corrected by the slope at its end."""
    here = slope(denoiser, x, sigma)
    ahead = x + here * (sigma_next - sigma)
    if sigma_next == 0:
        return ahead
    return x + (here + slope(denoiser, ahead, sigma_next)) / 2 * (sigma_next - sigma)


def _restarting(sigmas: Tensor, space: NoiseSpace) -> list[tuple[Tensor, Tensor]]:
    steps = len(sigmas) - 1
    if steps < 20:
        return list(pairwise(sigmas))
    again, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    highest, lowest = sigmas[0].item(), sigmas[-2].item()
    curve = karras_curve(lowest, highest, steps - again * times).to(sigmas)
    sigmas = torch.cat([curve, curve.new_zeros(1)])
    ratios = sigmas / space.alpha(sigmas)
    low, high = (int((ratios - level).abs().argmin()) for level in (0.1, 2.0))
    plan = list(pairwise(sigmas))
    if high >= low:
        return plan
    loop = karras_curve(sigmas[low].item(), sigmas[high].item(), again + 1).to(sigmas)
    return plan[:low] + list(pairwise(loop)) * times + plan[low:]
