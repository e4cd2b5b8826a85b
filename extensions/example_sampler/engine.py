"""An example: the midpoint method as a sampler, on the page as "Midpoint (example)"."""

from itertools import pairwise

import torch

from webui.diffusion.samplers import Sampler
from webui.plugins import hookimpl


def sample_midpoint(denoiser, x, sigmas, noise, options):
    """Take each step with the slope found at its middle (second order, two calls a step)."""
    for sigma, sigma_next in pairwise(sigmas):
        slope = (x - denoiser(x, sigma)) / sigma
        if sigma_next > 0:
            middle = torch.sqrt(sigma * sigma_next)
            x_middle = x + slope * (middle - sigma)
            slope = (x_middle - denoiser(x_middle, middle)) / middle
        x = x + slope * (sigma_next - sigma)
    return x


@hookimpl
def register_samplers():
    """Offer the sampler to the page, the API and the infotext."""
    return [Sampler(name="midpoint_example", label="Midpoint (example)", sample=sample_midpoint)]
