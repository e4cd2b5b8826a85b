"""UniPC (Zhao et al. 2023, arXiv:2302.04867): a multistep predictor with a free corrector.

The corrector reuses the network call that the next predictor needs anyway, so a step costs one
call. This is data prediction with orders rising at the start and, if so asked, falling at the end.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.samplers.sampler import SamplerOptions, UniPCForm
from webui.diffusion.samplers.step import glide


def sample_unipc(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Algorithm 1 of the paper in terms of sigma; x is read off in variance-preserving scale."""
    steps = len(sigmas) - 1
    space, form = options.space, options.unipc
    log_snr, alpha = space.log_snr(sigmas), space.alpha(sigmas)  # (n + 1,)
    history: list[Tensor] = []  # clean estimates, the newest last
    if steps > 0:
        history.append(denoiser(x, sigmas[0]))
    for i in range(1, steps + 1):
        order = _order(form, i, steps) if sigmas[i] > 0 else 1
        step = _Step.between(log_snr, i, order)
        base = glide(x, history[-1], sigmas[i - 1], sigmas[i])
        slopes = [
            (history[-1 - k] - history[-1]) / step.ratios[k - 1] for k in range(1, step.order)
        ]
        x = base - alpha[i] * _weighted(step.predictor(form), slopes) if slopes else base
        if i < steps:
            denoised = denoiser(x, sigmas[i])
            slopes.append(denoised - history[-1])
            x = base - alpha[i] * _weighted(step.corrector(form), slopes)
            history = [*history, denoised][-form.order :]
    return x / space.unit(sigmas[-1])


def _order(form: UniPCForm, i: int, steps: int) -> int:
    """The order of step i of 1 to `steps`; with fewer steps than the order asked, what there is."""
    order = min(form.order, steps)
    if i < order or not form.lower_order_final:
        return min(order, i)
    return min(order, steps + 1 - i)


def _weighted(weights: Tensor, slopes: list[Tensor]) -> Tensor:
    total = weights[0] * slopes[0]
    for weight, slope in zip(weights[1:], slopes[1:], strict=True):
        total = total + weight * slope
    return total


@dataclass(frozen=True, eq=False)
class _Step:
    """The linear system of one step, equation 5, in h negated (data prediction)."""

    ratios: Tensor  # (order,): distances to earlier points over this step's, the last one 1
    phis: Tensor  # (order,): h * phi_2(h), h * phi_3(h) ...
    h: Tensor  # 0-d, negative

    @classmethod
    def between(cls, log_snr: Tensor, i: int, order: int) -> "_Step":
        """The step from point i - 1 to point i, with `order` - 1 earlier points."""
        here = log_snr[i - 1]
        h = here - log_snr[i]
        earlier = [(log_snr[i - 1 - k] - here) / -h for k in range(1, order)]
        phi, factorial, phis = torch.expm1(h) / h - 1, 1, list[Tensor]()
        for k in range(1, order + 1):
            phis.append(phi)
            factorial *= k + 1
            phi = phi / h - 1 / factorial
        return cls(torch.stack([*earlier, torch.ones_like(h)]), torch.stack(phis), h)

    @property
    def order(self) -> int:
        """How many estimates the step rests on."""
        return len(self.ratios)

    def predictor(self, form: UniPCForm) -> Tensor:
        """Weights of the earlier slopes, (order - 1,); order 2 has the simplified 1/2."""
        if self.order == 2 and form.variant != "vary_coeff":
            return self._half(form)
        return self._solved(self.order - 1)

    def corrector(self, form: UniPCForm) -> Tensor:
        """Weights of the earlier slopes and the new one, (order,); order 1 has 1/2."""
        if form.variant == "vary_coeff":
            return self._varying()
        return self._half(form) if self.order == 1 else self._solved(self.order)

    def _half(self, form: UniPCForm) -> Tensor:
        return 0.5 * (self.h if form.variant == "bh1" else torch.expm1(self.h)).reshape(1)

    def _solved(self, count: int) -> Tensor:
        """B(h) times the solution of R rho = g(h) / B(h): the form of B(h) cancels out."""
        powers = torch.stack([self.ratios[:count] ** k for k in range(count)])
        target = self.phis[:count] * _factorials(self.phis)[:count]
        return cast(Tensor, torch.linalg.solve(powers, target))  # pyright: ignore[reportUnknownMemberType]

    def _varying(self) -> Tensor:
        """The corrector of varying coefficients as the authors' program has it.

        It leaves the last term out for earlier slopes, and takes the new slope's from the row
        before the last.
        """
        powers = torch.stack([self.ratios**k for k in range(self.order)], dim=1)
        inverse = cast(Tensor, torch.linalg.inv(powers / _factorials(self.phis)))  # pyright: ignore[reportUnknownMemberType]
        weights = self.phis[:-1] @ inverse[:-1]
        new = self.phis[-1] * inverse[max(self.order - 2, 0), -1]
        return torch.cat([weights[:-1], new.reshape(1)])


def _factorials(like: Tensor) -> Tensor:
    """1!, 2!, 3! ... as many as there are entries in `like`."""
    return torch.arange(1, len(like) + 1).to(like).cumprod(0)
