"""Noise spaces: how clean data and noise are mixed, which is all that a solver has to know.

Two spaces cover every family. Noise prediction and v prediction networks are sampled in the
*variance-exploding* space of Karras et al. 2022 (arXiv:2206.00364), `x = latent + sigma * noise`.
Flow models are sampled in their own, `x = (1 - sigma) * latent + sigma * noise`
(Liu et al. 2022, arXiv:2209.03003). In both, the deterministic first-order step from `sigma` to
`sigma_next` is `x' = denoised + sigma_next / sigma * (x - denoised)`.

Every sigma is a 0-d float32 tensor that may stay on the CPU: torch mixes it with tensors of any
device, and comparing it does not make the host wait for a GPU.
"""

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class AncestralStep(NamedTuple):
    """A step to a lower noise level split into a deterministic part and fresh noise.

    Go to `sigma_down` by the solver, multiply by `x_scale`, add `sigma_up` times unit noise.
    """

    sigma_down: Tensor
    sigma_up: Tensor
    x_scale: Tensor


class NoiseSpace(Protocol):
    """What a solver may ask about the space it moves in; every `Prediction` answers it too."""

    @property
    def ceiling(self) -> float:
        """The highest sigma that exists in this space; infinity if there is none."""
        ...

    def alpha(self, sigma: Tensor) -> Tensor:
        """The factor of the clean latent in x at `sigma`."""
        ...

    def unit(self, sigma: Tensor) -> Tensor:
        """What x at `sigma` is divided by to have unit variance for data of unit variance."""
        ...

    def log_snr(self, sigma: Tensor) -> Tensor:
        """Half the logarithm of the signal-to-noise ratio, log(alpha / sigma)."""
        ...

    def sigma_at(self, log_snr: Tensor) -> Tensor:
        """The inverse of `log_snr`."""
        ...

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """The noisy x at `sigma` of a clean `latent`, both (B, C, H, W)."""
        ...

    def ancestral_step(self, sigma: Tensor, sigma_next: Tensor, eta: float) -> AncestralStep:
        """Split the step from `sigma` to `sigma_next`; `eta` 0 adds no noise, 1 the most."""
        ...


class VarianceExploding:
    """The space of noise prediction and v prediction: x = latent + sigma * noise."""

    @property
    def ceiling(self) -> float:
        """No sigma is too high here."""
        return math.inf

    def alpha(self, sigma: Tensor) -> Tensor:
        """One at every noise level."""
        return torch.ones_like(sigma)

    def unit(self, sigma: Tensor) -> Tensor:
        """The standard deviation sqrt(1 + sigma^2)."""
        return (1 + sigma**2).sqrt()

    def log_snr(self, sigma: Tensor) -> Tensor:
        """Minus log sigma, which DPM-Solver++ calls lambda."""
        return -sigma.log()

    def sigma_at(self, log_snr: Tensor) -> Tensor:
        """The exponential of minus `log_snr`."""
        return (-log_snr).exp()

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """The sum latent + sigma * noise."""
        return latent + noise * sigma

    def ancestral_step(self, sigma: Tensor, sigma_next: Tensor, eta: float) -> AncestralStep:
        """Song et al. 2020 (arXiv:2010.02502), equation 16, in variance-exploding terms."""
        one = torch.ones_like(sigma)
        if eta == 0:
            return AncestralStep(sigma_next, torch.zeros_like(sigma_next), one)
        variance = sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2
        sigma_up = torch.minimum(sigma_next, eta * variance**0.5)
        return AncestralStep((sigma_next**2 - sigma_up**2) ** 0.5, sigma_up, one)


class RectifiedFlow:
    """The space of flow models: x = (1 - sigma) * latent + sigma * noise, sigma from 1 to 0."""

    @property
    def ceiling(self) -> float:
        """Sigma 1 is pure noise."""
        return 1.0

    def alpha(self, sigma: Tensor) -> Tensor:
        """The rest to one, 1 - sigma."""
        return 1 - sigma

    def unit(self, sigma: Tensor) -> Tensor:
        """One: a flow's x is read as it stands."""
        return torch.ones_like(sigma)

    def log_snr(self, sigma: Tensor) -> Tensor:
        """The logarithm of (1 - sigma) / sigma, with sigma held just below 1."""
        # At exactly 1 it would be minus infinity and multistep weights would become NaN.
        sigma = sigma.clamp(max=1 - 1e-4)
        return (1 - sigma).log() - sigma.log()

    def sigma_at(self, log_snr: Tensor) -> Tensor:
        """The logistic function of minus `log_snr`."""
        return torch.sigmoid(-log_snr)

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """The mixture (1 - sigma) * latent + sigma * noise."""
        return (1 - sigma) * latent + sigma * noise

    def ancestral_step(self, sigma: Tensor, sigma_next: Tensor, eta: float) -> AncestralStep:
        """Stop below the target, shrink to the target's share of signal, restore its noise.

        With alpha = 1 - sigma, scaling x by a = alpha_next / alpha_down keeps the signal right and
        leaves a noise of a * sigma_down; what is missing to sigma_next is added.
        """
        sigma_down = sigma_next * (1 + (sigma_next / sigma - 1) * eta)
        x_scale = (1 - sigma_next) / (1 - sigma_down)
        variance = sigma_next**2 - (x_scale * sigma_down) ** 2
        return AncestralStep(sigma_down, variance.clamp(min=0) ** 0.5, x_scale)
