"""UniPC (Zhao et al. 2023, arXiv:2302.04867): a multistep predictor with a free corrector.

The corrector reuses the network call that the next predictor needs anyway, so a step costs one
call. This is the B_1(h) variant of order 3 for data prediction, with orders rising 1, 2, 3 at the
start and falling 2, 1 at the end, as the older UI runs it.
"""

from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions

ORDER: Final = 3


def sample_unipc(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Algorithm 1 of the paper in terms of sigma; x is read off in variance-preserving scale."""
    steps = len(sigmas) - 1
    space = options.space
    log_snr, alpha = space.log_snr(sigmas), space.alpha(sigmas)  # (n + 1,)
    history: list[Tensor] = []  # clean estimates, the newest last
    if steps > 0:
        history.append(denoiser(x, sigmas[0]))
    for i in range(1, steps + 1):
        order = min(ORDER, i, steps + 1 - i)
        step = _Step.between(log_snr, i, order)
        base, scale = _linear(x, history[-1], sigmas, i), alpha[i] * step.b_h
        slopes = [(history[-1 - k] - history[-1]) / step.ratios[k - 1] for k in range(1, order)]
        x = base
        if order > 1:
            x = base - scale * _weighted(step.predictor(), slopes)
        if i < steps:
            denoised = denoiser(x, sigmas[i])
            slopes.append(denoised - history[-1])
            x = base - scale * _weighted(step.corrector(), slopes)
            history = [*history[1 - ORDER :], denoised]
    return x / space.unit(sigmas[-1])


def _linear(x: Tensor, denoised: Tensor, sigmas: Tensor, i: int) -> Tensor:
    ratio = sigmas[i] / sigmas[i - 1]
    return ratio * x + (1 - ratio) * denoised


def _weighted(weights: Tensor, slopes: list[Tensor]) -> Tensor:
    total = weights[0] * slopes[0]
    for weight, slope in zip(weights[1:], slopes[1:], strict=True):
        total = total + weight * slope
    return total


@dataclass(frozen=True, eq=False)
class _Step:
    """The linear system of one step: equation 5 with B(h) = h, for h negated (data prediction)."""

    ratios: Tensor  # (order,): distances to earlier points over this step's, the last one 1
    matrix: Tensor  # (order, order)
    target: Tensor  # (order,)
    b_h: Tensor  # 0-d

    @classmethod
    def between(cls, log_snr: Tensor, i: int, order: int) -> "_Step":
        """The step from point i - 1 to point i, with `order` - 1 earlier points."""
        here = log_snr[i - 1]
        hh = here - log_snr[i]  # minus the step size, negative
        earlier = [(log_snr[i - 1 - k] - here) / -hh for k in range(1, order)]
        ratios = torch.stack([*earlier, torch.ones_like(hh)])
        phi = torch.expm1(hh) / hh - 1
        factorial, target = 1, list[Tensor]()
        for k in range(1, order + 1):
            target.append(phi * factorial / hh)
            factorial *= k + 1
            phi = phi / hh - 1 / factorial
        matrix = torch.stack([ratios**k for k in range(order)])
        return cls(ratios, matrix, torch.stack(target), hh)

    def predictor(self) -> Tensor:
        """Weights of the earlier slopes, (order - 1,); order 2 has the simplified 1/2."""
        if len(self.ratios) == 2:
            return torch.full((1,), 0.5)
        return _solve(self.matrix[:-1, :-1], self.target[:-1])

    def corrector(self) -> Tensor:
        """Weights of the earlier slopes and the new one, (order,); order 1 has 1/2."""
        if len(self.ratios) == 1:
            return torch.full((1,), 0.5)
        return _solve(self.matrix, self.target)


def _solve(matrix: Tensor, target: Tensor) -> Tensor:
    return cast(Tensor, torch.linalg.solve(matrix, target))  # pyright: ignore[reportUnknownMemberType]
