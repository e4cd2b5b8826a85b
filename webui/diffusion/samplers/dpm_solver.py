"""DPM-Solver (Lu et al. 2022, arXiv:2206.00927) with steps of its own choice.

Both samplers walk from the highest to the lowest positive level, evenly or as an error estimate
allows, and stop there: nothing takes the last of the noise away. As the older UI runs them they
add ancestral noise, eta 1 by default.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions
from webui.diffusion.samplers.step import raise_noise, slope
from webui.diffusion.space import NoiseSpace

RELATIVE: Final = 0.05  # tolerances of the adaptive solver, and its first step in log sigma
ABSOLUTE: Final = 0.0078
FIRST: Final = 0.05


def sample_dpm_fast(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """DPM-Solver-fast: as many calls as steps, in steps of third order even in log SNR.

    The rest of a division by three goes to last steps of second and first order.
    """
    calls = len(sigmas) - 1
    if calls < 1:
        return x
    low, high = _range(sigmas, options)
    if low >= high:  # one step of image to image has no way to go, but for the estimate
        return denoiser(x, sigmas[0])
    whole, rest = divmod(calls, 3)
    orders = [3] * whole + [rest] if rest else [3] * (whole - 1) + [2, 1]
    times = torch.linspace(float(-high.log()), float(-low.log()), len(orders) + 1).to(high)
    eta = 1.0 if options.eta is None else options.eta
    for i, order in enumerate(orders):
        sigma, sigma_next = (-times[i]).exp(), (-times[i + 1]).exp()
        sigma_down = _goal(sigma, sigma_next, low, eta, options.space)
        x = _step(denoiser, x, sigma, sigma_down, order)
        if eta > 0:
            fresh = noise.step() * options.s_noise
            x = raise_noise(x, sigma_down, sigma_next, fresh, options.space)
    return x


def sample_dpm_adaptive(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """DPM-Solver-23, whose two orders tell the error of a step; ignores the number of steps.

    The error is taken over all images of the batch, so that they depend on each other.
    """
    if len(sigmas) < 2:
        return x
    low, high = _range(sigmas, options)
    if low >= high:
        return denoiser(x, sigmas[0])
    eta = 1.0 if options.eta is None else options.eta
    control = _Controller(FIRST, order=1.5 if eta > 0 else 3)
    time, end = -high.log(), -low.log()
    earlier = x
    while time < end - 1e-5:
        time_next = torch.minimum(end, time + control.size)
        sigma, sigma_next = (-time).exp(), (-time_next).exp()
        sigma_down = _goal(sigma, sigma_next, low, eta, options.space)
        rough, fine = _third_order(denoiser, x, sigma, sigma_down)
        allowed = (RELATIVE * torch.maximum(rough.abs(), earlier.abs())).clamp(min=ABSOLUTE)
        error = ((rough - fine) / allowed).square().mean().sqrt()
        if control.accepts(error.item()):
            earlier, x, time = rough, fine, time_next
            if eta > 0:
                x = raise_noise(x, sigma_down, sigma_next, noise.step(), options.space)
    return x


def _range(sigmas: Tensor, options: SamplerOptions) -> tuple[Tensor, Tensor]:
    """The levels to walk between: the model's own, or of image to image the ends of the cut.

    The last level is taken to be zero and left out, as the older UI does.
    """
    if options.model_range is None:
        return sigmas[-2], sigmas[0]
    low, high = options.model_range
    return torch.tensor(low), torch.tensor(high)


def _goal(
    sigma: Tensor, sigma_next: Tensor, lowest: Tensor, eta: float, space: NoiseSpace
) -> Tensor:
    """The level to solve down to before noise brings x up to `sigma_next`."""
    if eta == 0:
        return sigma_next
    return torch.maximum(lowest, space.ancestral_step(sigma, sigma_next, eta).sigma_down)


def _step(denoiser: Denoiser, x: Tensor, sigma: Tensor, sigma_next: Tensor, order: int) -> Tensor:
    if order == 3:
        return _third_order(denoiser, x, sigma, sigma_next)[1]
    here = slope(denoiser, x, sigma)
    if order == 1:
        return x + here * (sigma_next - sigma)
    sigma_mid = _between(sigma, sigma_next, 1 / 2)
    return x + slope(denoiser, x + here * (sigma_mid - sigma), sigma_mid) * (sigma_next - sigma)


def _third_order(
    denoiser: Denoiser, x: Tensor, sigma: Tensor, sigma_next: Tensor
) -> tuple[Tensor, Tensor]:
    """DPM-Solver-3, algorithm 2, and the second-order step that shares its first two calls."""
    h = (sigma / sigma_next).log()
    first, second = _between(sigma, sigma_next, 1 / 3), _between(sigma, sigma_next, 2 / 3)
    here = slope(denoiser, x, sigma)
    turn = slope(denoiser, x + here * (first - sigma), first) - here
    straight = x + here * (sigma_next - sigma)
    rough = straight + turn * ((sigma_next - sigma) * 1.5)
    ahead = x + here * (second - sigma) - turn * (second * 2 * _phi(h * (2 / 3)))
    turn = slope(denoiser, ahead, second) - here
    return rough, straight - turn * (sigma_next * 1.5 * _phi(h))


def _phi(h: Tensor) -> Tensor:
    return torch.expm1(h) / h - 1


def _between(sigma: Tensor, sigma_next: Tensor, share: float) -> Tensor:
    """The level at a share of the way in log sigma."""
    return sigma.log().lerp(sigma_next.log(), share).exp()


@dataclass
class _Controller:
    """How large a step may be, from the errors of the last ones.

    Soederlind and Wang 2006, "Adaptive time-stepping and computational stability": control by the
    error alone, with the limiter 1 + atan(factor - 1).
    """

    size: float
    order: float

    def accepts(self, error: float) -> bool:
        """Whether the step just tried is good enough; sets the size of the next try."""
        factor = (1 / (error + 1e-8)) ** (1 / self.order)
        factor = 1 + math.atan(factor - 1)
        self.size *= factor
        return factor >= 0.81
