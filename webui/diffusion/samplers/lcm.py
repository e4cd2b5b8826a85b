"""Latent consistency models (Luo et al. 2023, arXiv:2310.04378)."""

from itertools import pairwise

import torch
from torch import Tensor

from webui.diffusion.denoiser import Denoiser
from webui.diffusion.noise import NoiseSource
from webui.diffusion.prediction import DiscretePrediction, Prediction
from webui.diffusion.samplers.sampler import SamplerOptions


def sample_lcm(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: NoiseSource, options: SamplerOptions
) -> Tensor:
    """Multistep consistency sampling, algorithm 3: estimate, add noise again, estimate."""
    for sigma, sigma_next in pairwise(sigmas):
        x = denoiser(x, sigma)
        if sigma_next > 0:
            x = options.space.add_noise(x, noise.step(), sigma_next)
    return x


def adapt_lcm(prediction: Prediction) -> Prediction:
    """The prediction seen through the 50 timesteps of distillation; flows are left alone."""
    if isinstance(prediction, DiscretePrediction) and not isinstance(prediction, LCMPrediction):
        return LCMPrediction(prediction)
    return prediction


class LCMPrediction(DiscretePrediction):
    """A discrete prediction thinned to the timesteps a consistency model was distilled on.

    The network is only told one of `points` timesteps (19, 39, ... 999), and its answer passes
    through the boundary condition of the paper (section 4.1; sigma_data 0.5, timesteps times 10).
    """

    def __init__(self, base: DiscretePrediction, points: int = 50) -> None:
        self.stride = len(base.alphas_cumprod) // points
        super().__init__(
            alphas_cumprod=base.alphas_cumprod[self.stride - 1 :: self.stride], kind=base.kind
        )

    def timestep(self, sigma: Tensor) -> Tensor:
        """The distillation timestep nearest to `sigma` in log sigma."""
        table = self.sigmas.to(sigma.device).log()
        nearest = (sigma.float().log()[..., None] - table).abs().argmin(-1)
        return (nearest * self.stride + self.stride - 1).float()

    def sigma(self, timestep: Tensor) -> Tensor:
        """The noise level at a timestep, which need not be one of the `points`."""
        index = (timestep.float() - (self.stride - 1)) / self.stride
        return super().sigma(index.clamp(0, len(self.sigmas) - 1))

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """The clean estimate, blended with x so that at timestep 0 it would be x itself."""
        scaled = self.timestep(torch.as_tensor(sigma)) * 10
        c_skip = 0.25 / (scaled**2 + 0.25)
        c_out = scaled / (scaled**2 + 0.25) ** 0.5
        return c_out * super().denoised(output, x, sigma) + c_skip * x
