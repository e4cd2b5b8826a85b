"""What a network predicts, and how noise levels (sigma) and training indices (timestep) relate.

`DiscretePrediction` is the family of DDPM-trained networks (Stable Diffusion 1.x, 2.x, XL), which
answer with the noise or with "v" and are sampled in variance-exploding space. `FlowPrediction` is
the family of rectified flows (Stable Diffusion 3, FLUX), sampled in the flow's own space.
"""

import math
from typing import Final, Literal, Protocol

import torch
from torch import Tensor

from webui.diffusion.space import NoiseSpace, RectifiedFlow, VarianceExploding

Kind = Literal["epsilon", "v_prediction"]

LAST_SIGNAL: Final = 4.8973451890853435e-08
"""What stands for zero at the end of a zero-terminal table: sigma is 4518.6, not infinity."""


class Prediction(NoiseSpace, Protocol):
    """The bridge between a network's view (timestep, output) and a solver's (sigma, denoised)."""

    @property
    def sigmas(self) -> Tensor:
        """The noise levels of training, (T,) float32 on the CPU, ascending."""
        ...

    @property
    def sigma_min(self) -> float:
        """The lowest noise level of the table."""
        ...

    @property
    def sigma_max(self) -> float:
        """The highest noise level of the table."""
        ...

    @property
    def preferred_schedule(self) -> str | None:
        """The schedule that "Automatic" means here; None leaves it to the sampler."""
        ...

    def timestep(self, sigma: Tensor) -> Tensor:
        """The float index the network is told for `sigma`; any shape, kept."""
        ...

    def sigma(self, timestep: Tensor) -> Tensor:
        """The inverse of `timestep`; any shape, kept."""
        ...

    def spaced(self, sigma_max: float, sigma_min: float, count: int) -> Tensor:
        """`count` sigmas (count,), both ends included, even in the index that training drew."""
        ...

    def scale_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The network's input for x at `sigma`."""
        ...

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """The estimate of the clean latent from the network's output for x at `sigma`."""
        ...

    def start(self, latent: Tensor | None, noise: Tensor, sigma: Tensor) -> Tensor:
        """The x a sampler starts from at `sigma`: noise alone, or a latent made noisy."""
        ...


class DiscretePrediction(VarianceExploding):
    """Networks trained on a table of noise levels, predicting the noise or "v".

    Built from either `betas` or `alphas_cumprod`, (T,) in any float type. Interpolation between
    table entries is linear in log sigma, as k-diffusion does it. "v" is that of Salimans and Ho
    2022 (arXiv:2202.00512). `dtype` is the number format in which the levels are worked out.
    """

    def __init__(
        self,
        betas: Tensor | None = None,
        alphas_cumprod: Tensor | None = None,
        kind: Kind = "epsilon",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if (betas is None) == (alphas_cumprod is None):
            raise ValueError("give either betas or alphas_cumprod")
        if betas is not None:
            alphas_cumprod = (1 - betas.double()).cumprod(0)
        assert alphas_cumprod is not None
        self.kind: Kind = kind
        # The product is rounded before the ratio, as checkpoints store it.
        alphas = alphas_cumprod.detach().cpu().to(dtype)  # (T,)
        sigmas = ((1 - alphas) / alphas) ** 0.5
        self.alphas_cumprod = alphas.float()
        self._sigmas = sigmas.float()
        self._log_sigmas = sigmas.log().float()

    @classmethod
    def scaled_linear(
        cls,
        start: float = 0.00085,
        end: float = 0.012,
        steps: int = 1000,
        kind: Kind = "epsilon",
    ) -> "DiscretePrediction":
        """The schedule of all Stable Diffusion networks before flows: sqrt(beta) is linear."""
        betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
        return cls(betas=betas, kind=kind)

    def downcast(self) -> "DiscretePrediction":
        """The same with a table worked out in half precision, as older pictures had it."""
        return DiscretePrediction(
            alphas_cumprod=self.alphas_cumprod, kind=self.kind, dtype=torch.float16
        )

    def ending_in_noise(self) -> "DiscretePrediction":
        """The same with a table stretched so that it ends in pure noise.

        Lin et al. 2023 (arXiv:2305.08891), algorithm 1.
        """
        roots = self.alphas_cumprod.sqrt()
        scaled = (roots - roots[-1]) * (roots[0] / (roots[0] - roots[-1]))
        alphas = scaled**2
        alphas[-1] = LAST_SIGNAL
        return DiscretePrediction(alphas_cumprod=alphas, kind=self.kind)

    @property
    def sigmas(self) -> Tensor:
        """The table (T,), ascending."""
        return self._sigmas

    @property
    def sigma_min(self) -> float:
        """The lowest table entry; 0.0292 for Stable Diffusion."""
        return self._sigmas[0].item()

    @property
    def sigma_max(self) -> float:
        """The highest table entry; 14.6146 for Stable Diffusion."""
        return self._sigmas[-1].item()

    @property
    def preferred_schedule(self) -> str | None:
        """None: the sampler's own default holds."""
        return None

    def timestep(self, sigma: Tensor) -> Tensor:
        """The position of `sigma` in the table, linear in log sigma, held within the table."""
        table = self._log_sigmas.to(sigma.device)
        log_sigma = sigma.float().log()
        low = (torch.searchsorted(table, log_sigma, right=True) - 1).clamp(0, len(table) - 2)
        weight = ((table[low] - log_sigma) / (table[low] - table[low + 1])).clamp(0, 1)
        return (1 - weight) * low + weight * (low + 1)

    def sigma(self, timestep: Tensor) -> Tensor:
        """The noise level at a float index."""
        table = self._log_sigmas.to(timestep.device)
        timestep = timestep.float()
        weight = timestep.frac()
        log_sigma = (1 - weight) * table[timestep.floor().long()]
        log_sigma = log_sigma + weight * table[timestep.ceil().long()]
        return log_sigma.exp()

    def spaced(self, sigma_max: float, sigma_min: float, count: int) -> Tensor:
        """Sigmas at evenly spaced timesteps."""
        start, end = self.timestep(torch.tensor([sigma_max, sigma_min]))
        return self.sigma(torch.linspace(start.item(), end.item(), count))

    def scale_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The input of unit variance, x / sqrt(1 + sigma^2)."""
        return x / (sigma**2 + 1) ** 0.5

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """The clean estimate: x - sigma * output for epsilon, the rotation back for v."""
        if self.kind == "epsilon":
            return x - output * sigma
        return x / (sigma**2 + 1) - output * sigma / (sigma**2 + 1) ** 0.5

    def start(self, latent: Tensor | None, noise: Tensor, sigma: Tensor) -> Tensor:
        """Noise times sigma, added to the latent if there is one."""
        return noise * sigma if latent is None else self.add_noise(latent, noise, sigma)


class FlowPrediction(RectifiedFlow):
    """Networks that predict the velocity noise - latent of a rectified flow.

    `shift` is the time shift of Esser et al. 2024 (arXiv:2403.03206, equation 23): 3 for
    Stable Diffusion 3, exp(mu) for FLUX. The network is told sigma * `steps`.
    """

    def __init__(self, shift: float = 1.0, steps: int = 1000) -> None:
        self.shift = shift
        self.steps = steps
        self._sigmas = self._shifted(torch.linspace(1 / steps, 1, steps))  # (T,)

    def shifted(self, shift: float, tokens: int) -> "FlowPrediction":
        """The same with another shift, or where it is 0 with the own one of a picture so large."""
        return FlowPrediction(shift, self.steps) if shift else self.of_size(tokens)

    def of_size(self, tokens: int) -> "FlowPrediction":
        """The flow of a picture of this many tokens: any is like the other."""
        return self

    def _shifted(self, time: Tensor) -> Tensor:
        # Rounding could carry the last one beyond pure noise.
        return (self.shift * time / (1 + (self.shift - 1) * time)).clamp(max=1.0)

    def _unshifted(self, sigma: Tensor) -> Tensor:
        return sigma / (self.shift - (self.shift - 1) * sigma)

    @property
    def sigmas(self) -> Tensor:
        """The shifted table (T,), ascending to 1."""
        return self._sigmas

    @property
    def sigma_min(self) -> float:
        """The lowest table entry."""
        return self._sigmas[0].item()

    @property
    def sigma_max(self) -> float:
        """Pure noise, 1."""
        return self._sigmas[-1].item()

    @property
    def preferred_schedule(self) -> str | None:
        """SGM Uniform: even in unshifted time, which is what these networks are sampled with."""
        return "sgm_uniform"

    def timestep(self, sigma: Tensor) -> Tensor:
        """What the network is told: sigma times the number of training steps."""
        return sigma * self.steps

    def sigma(self, timestep: Tensor) -> Tensor:
        """The noise level of a network timestep."""
        return timestep / self.steps

    def spaced(self, sigma_max: float, sigma_min: float, count: int) -> Tensor:
        """Sigmas evenly spaced in time before the shift."""
        start, end = self._unshifted(torch.tensor([sigma_max, sigma_min]))
        return self._shifted(torch.linspace(start.item(), end.item(), count))

    def scale_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The input as it is."""
        return x

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """The clean estimate x - sigma * velocity."""
        return x - output * sigma

    def start(self, latent: Tensor | None, noise: Tensor, sigma: Tensor) -> Tensor:
        """The mixture of latent (zeros if there is none) and noise at sigma."""
        return noise * sigma if latent is None else self.add_noise(latent, noise, sigma)


class SizedFlowPrediction(FlowPrediction):
    """A flow whose shift grows with the picture, as FLUX's does: exp(mu), mu linear in its tokens.

    `logarithms` are mu at the two numbers of `tokens`; until a size is told, the larger holds.
    """

    def __init__(
        self,
        logarithms: tuple[float, float] = (0.5, 1.15),
        tokens: tuple[int, int] = (256, 4096),
        steps: int = 1000,
    ) -> None:
        super().__init__(math.exp(logarithms[1]), steps)
        self.logarithms = logarithms
        self.tokens = tokens

    def of_size(self, tokens: int) -> FlowPrediction:
        """The flow of a picture of this many tokens."""
        (low, high), (few, many) = self.logarithms, self.tokens
        mu = low + (high - low) * (tokens - few) / (many - few)
        return FlowPrediction(math.exp(mu), self.steps)
