"""LMS: linear multistep, Adams and Bashforth's method on uneven steps."""

from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.samplers.step import slope


def sample_lms(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Integrate the polynomial through the last four slopes over each step (Katherine Crowson).

    On the equation of Karras et al. 2022 (arXiv:2206.00364); orders rise 1, 2, 3, 4 at the start.
    """
    levels = [float(sigma) for sigma in sigmas]
    slopes: list[Tensor] = []  # the newest first
    for i in range(len(levels) - 1):
        slopes = [slope(denoiser, x, sigmas[i]), *slopes[:3]]
        earlier = levels[max(i - 3, 0) : i + 1][::-1]
        for k, known in enumerate(slopes):
            x = x + known * _weight(earlier, k, levels[i + 1])
    return x


def _weight(levels: list[float], k: int, end: float) -> float:
    """The integral from levels[0] to `end` of the polynomial that is 1 at levels[k], else 0.

    Gauss's two points are exact up to the third degree, which four levels make.
    """
    middle, half = (end + levels[0]) / 2, (end - levels[0]) / 2
    total = 0.0
    for tau in (middle - half / 3**0.5, middle + half / 3**0.5):
        value = 1.0
        for j, level in enumerate(levels):
            if j != k:
                value *= (tau - level) / (levels[k] - level)
        total += value
    return total * half
