"""Denoisers around denoisers: each has the sampler's own view, `(x, sigma) -> denoised`."""

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

import torch
from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.moments import Moment
from webui.errors import NumericalError

Report: TypeAlias = Callable[[float, Tensor, float], None]
"""`(fraction, denoised, sigma)`: how far the pass is in [0, 1], and its latest estimate."""

Check: TypeAlias = Callable[[], str | None]
"""None to go on, "stop" to keep what there is, "cancel" to throw it away."""


class Interrupted(Exception):
    """A person asked the pass to end; carries the last clean estimate and the mode asked for."""

    def __init__(self, denoised: Tensor | None, mode: str) -> None:
        super().__init__(mode)
        self.denoised = denoised  # (B, C, H, W); None if no network call was finished
        self.mode = mode


D = TypeVar("D", bound=Denoiser)


class Switched(Generic[D]):
    """Hands over to another denoiser in mid-run, and never back.

    `second` is asked for when `due` says so of a call, with the number of calls made until then;
    what makes it may be as dear as loading a model.
    """

    def __init__(self, first: D, second: Callable[[int], D], due: Moment) -> None:
        self.denoiser = first
        self.second = second
        self.due = due
        self.calls = 0
        self.switched = False

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The estimate of the denoiser whose turn it is."""
        if not self.switched and self.due(self.calls, sigma):
            self.denoiser = self.second(self.calls)
            self.switched = True
        self.calls += 1
        return self.denoiser(x, sigma)


class Masked:
    """Paints only where the mask says; everywhere else the kept latent comes back.

    `mask` is (1, 1, h, w) or (B, C, h, w) in [0, 1], 1 where it is painted; `kept` is the clean
    latent (B, C, h, w). Ordinary solvers have each estimate blended. Those that begin at unit
    scale (`before`) have the input blended instead, with the kept latent as it is, without noise:
    that is what the older UI does with DDIM, PLMS and UniPC.
    """

    def __init__(self, denoiser: Denoiser, mask: Tensor, kept: Tensor, before: bool) -> None:
        self.denoiser = denoiser
        self.mask = mask
        self.kept = kept
        self.before = before

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The estimate for x (B, C, h, w) with the kept part in its place."""
        if not self.before:
            return self.blend(self.denoiser(x, sigma))
        level = (1 + sigma.to(x) ** 2).sqrt()
        seen = x * self.mask + self.kept.to(x) * level * (1 - self.mask)
        # The solver goes on from its own x: it is the predicted noise that has to be the same.
        return self.denoiser(seen, sigma) + (x - seen)

    def blend(self, latent: Tensor) -> Tensor:
        """`latent` where it is painted, the kept one elsewhere."""
        return latent * self.mask + self.kept.to(latent) * (1 - self.mask)


class Watched:
    """Reports after each network call, and before each one asks whether to go on.

    `sigmas` is the schedule being run, (n + 1,) descending: the fraction is read off the noise
    level, so samplers with two calls per step need no special case. A stop asked for before
    anything was estimated lets one call through, so that there is something to keep.

    Raises:
        Interrupted: when `check` answers "stop" or "cancel".
        NumericalError: when an estimate contains NaN or infinity.
    """

    def __init__(self, denoiser: Denoiser, report: Report, check: Check, sigmas: Tensor) -> None:
        self.denoiser = denoiser
        self.report = report
        self.check = check
        self.sigmas = [float(level) for level in sigmas]
        self.fraction = 0.0
        self.last: Tensor | None = None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The wrapped denoiser's estimate, unchanged."""
        mode = self.check()
        if mode == "cancel" or (mode is not None and self.last is not None):
            raise Interrupted(self.last, mode)
        denoised = self.denoiser(x, sigma)
        level = float(sigma)
        if not bool(torch.isfinite(denoised).all()):
            raise NumericalError(f"sampling at sigma {level:.4g}")
        self.last = denoised
        self.fraction = max(self.fraction, self._reached(level))
        self.report(self.fraction, denoised, level)
        if mode is not None:
            raise Interrupted(denoised, mode)
        return denoised

    def _reached(self, sigma: float) -> float:
        """The share of steps finished once the step that evaluates at `sigma` is done."""
        steps = max(len(self.sigmas) - 1, 1)
        return min(sum(level >= sigma for level in self.sigmas), steps) / steps
