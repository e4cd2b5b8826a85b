"""Every sampler against numbers that the programs people have used gave for the same toy network.

`references.json` was made by running k-diffusion 0.1.1 (which the older UI is built on) and the
older UI's own DDIM, CFG++, PLMS, UniPC, LCM and Restart on `toy`: two images of seeds 1 and 2, with
the noise that this program gives them.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from webui.diffusion.noise import ImageNoise
from webui.diffusion.prediction import DiscretePrediction
from webui.diffusion.samplers import Sampler, SamplerOptions, UniPCForm
from webui.diffusion.schedules import Schedule, Trajectory, full_trajectory

CASES: dict[str, Any] = json.loads((Path(__file__).parent / "references.json").read_text())
SHAPE = (4, 2, 2)
SCALE = 7.5  # of guidance, where there is a negative prompt


def toy(x_in: Tensor, timestep: Tensor) -> Tensor:
    return 0.8 * x_in + 0.3 * torch.sin(2 * x_in + timestep.view(-1, 1, 1, 1) / 200)


def negative(x_in: Tensor, timestep: Tensor) -> Tensor:
    return 0.7 * x_in + 0.2 * torch.cos(3 * x_in + timestep.view(-1, 1, 1, 1) / 300)


class Toy:
    """A denoiser over `toy`; with guidance also over `negative`, whose estimate it keeps."""

    def __init__(self, prediction: DiscretePrediction, scale: float) -> None:
        self.prediction = prediction
        self.scale = scale
        self.uncond = torch.zeros(())

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        x_in = self.prediction.scale_input(x, sigma)
        timestep = self.prediction.timestep(sigma).expand(len(x))
        cond = self.prediction.denoised(toy(x_in, timestep), x, sigma)
        if self.scale == 1:
            return cond
        self.uncond = self.prediction.denoised(negative(x_in, timestep), x, sigma)
        return self.uncond + (cond - self.uncond) * self.scale


@pytest.mark.parametrize("name", CASES)
def test_each_sampler_ends_where_the_reference_ended(
    sd: DiscretePrediction,
    samplers: dict[str, Sampler],
    schedules: dict[str, Schedule],
    name: str,
) -> None:
    case = CASES[name]
    sampler = samplers[case["sampler"]]
    prediction: Any = sampler.adapt(sd)
    if "sigmas" in case:
        sigmas = torch.tensor(case["sigmas"])
        span = (float(sigmas[sigmas > 0].min()), float(sigmas.max()))
        trajectory = Trajectory(sigmas, sigmas[0], span)
    else:
        trajectory = full_trajectory(sampler, schedules["automatic"], case["steps"], sd)
    denoiser = Toy(prediction, SCALE * sampler.cfg_factor if sampler.needs_uncond else 1)
    options = SamplerOptions(
        space=prediction,
        noise_range=trajectory.span,
        last_uncond=lambda: denoiser.uncond,
        **{k: UniPCForm(**v) if k == "unipc" else v for k, v in case["options"].items()},
    )
    noise = ImageNoise([1, 2], SHAPE)
    x = trajectory.begin(prediction, noise.initial())
    end = sampler.sample(denoiser, x, trajectory.sigmas, noise, options)
    reference = torch.tensor(case["end"]).view(2, *SHAPE)
    assert (end - reference).square().mean().sqrt() < 1e-4 * reference.std()


def test_every_sampler_has_a_reference(samplers: dict[str, Sampler]) -> None:
    assert {case["sampler"] for case in CASES.values()} == set(samplers)
