"""The noise levels that one pass runs through, and the x that it begins with."""

from dataclasses import dataclass

from torch import Tensor

from webui.diffusion.prediction import Prediction


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The noise levels of one pass, and how its first x is made.

    Attributes:
        sigmas: (n + 1,) for n steps, for `Sampler.sample`.
        start: 0-d, the level to which a latent is made noisy; it may be above sigmas[0].
        span: lowest positive and highest sigma of the whole schedule, before any cut; goes to
            `SamplerOptions.noise_range`.
        unit_start: whether x is exact in variance-preserving scale (`Sampler.unit_start`).
    """

    sigmas: Tensor
    start: Tensor
    span: tuple[float, float]
    unit_start: bool = False

    def begin(
        self,
        prediction: Prediction,
        noise: Tensor,
        latent: Tensor | None = None,
        extra_noise: float = 0.0,
    ) -> Tensor:
        """The x to sample from: noise (B, C, H, W), or a latent of that shape made noisy.

        `extra_noise` is added on top of a latent's noise, in units of the clean latent.
        """
        if latent is None:
            unit = prediction.unit(self.start)
            return noise * unit if self.unit_start else prediction.start(None, noise, self.start)
        x = latent if self.start == 0 else prediction.start(latent, noise, self.start)
        if extra_noise != 0:
            x = x + noise * (extra_noise * prediction.alpha(self.start))
        if self.unit_start:
            x = x * (prediction.unit(self.sigmas[0]) / prediction.unit(self.start))
        return x


def span_of(sigmas: Tensor) -> tuple[float, float]:
    """The lowest positive and the highest of `sigmas`; zeros if none is positive."""
    positive = sigmas[sigmas > 0]
    return (positive.min().item(), positive.max().item()) if len(positive) else (0.0, 0.0)
