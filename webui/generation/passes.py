"""One trip through the sampling loop; a hires fix is two of them, an img2img is one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from webui.contract.request import Noise, Sampling, UniPC
from webui.diffusion.conditioning import Conditioning
from webui.diffusion.denoiser import Guided
from webui.diffusion.layers import Check, Report, Watched
from webui.diffusion.noise import ImageNoise
from webui.diffusion.prediction import Prediction
from webui.diffusion.samplers import Sampler, SamplerOptions, UniPCForm
from webui.diffusion.schedules import (
    Schedule,
    StepRule,
    Trajectory,
    full_trajectory,
    img2img_sigmas,
)
from webui.generation.effects import Join
from webui.plugins.effects import PassView
from webui.weights.checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class Start:
    """What a pass begins from: clean latents (B, C, h, w), and how far they may change."""

    latent: Tensor
    strength: float
    rule: StepRule = "proportional"
    zero_runs_one: bool = False
    noise_multiplier: float = 1.0


@dataclass(frozen=True, eq=False)
class Pass:
    """Everything that one pass needs; sizes are in latent cells.

    `start` is None for a picture from noise alone. `seeds` holds the noise fields of each image.
    """

    width: int
    height: int
    sampler: Sampler
    schedule: Schedule
    steps: int
    cond: Conditioning
    uncond: Conditioning
    sampling: Sampling
    seeds: Sequence[Noise]
    unipc: UniPC
    start: Start | None = None
    hires: bool = False


def run_pass(
    checkpoint: Checkpoint, spec: Pass, join: Join, report: Report, check: Check
) -> Tensor:
    """Sample clean latents (B, C, height, width) float32.

    Raises Interrupted, holding the last estimate, when `check` asks for it, and NumericalError.
    """
    prediction = spec.sampler.adapt(checkpoint.prediction)
    noise = _noise(checkpoint, spec)
    trajectory = _trajectory(checkpoint, spec)
    x = _begin(trajectory, prediction, noise.initial(), spec.start)
    if len(trajectory.sigmas) < 2:
        return x
    scale = spec.sampling.cfg_scale * spec.sampler.cfg_factor
    levels = tuple(float(sigma) for sigma in trajectory.sigmas)
    layers = join(PassView(checkpoint, scale, levels, spec.hires))
    denoiser = Guided(
        layers.network(checkpoint.network),
        prediction,
        [spec.cond],
        [spec.uncond],
        scale,
        guidance=layers.guidance(scale),
        both_sides=spec.sampler.needs_uncond,
    )
    watched = Watched(layers.wrap(denoiser), report, check, trajectory.sigmas)
    options = replace(_options(spec, prediction, trajectory), last_uncond=denoiser.latest_uncond)
    return spec.sampler.sample(watched, x, trajectory.sigmas, noise, options)


def count_steps(checkpoint: Checkpoint, spec: Pass) -> int:
    """How many steps the pass will run."""
    return len(_trajectory(checkpoint, spec).sigmas) - 1


def _trajectory(checkpoint: Checkpoint, spec: Pass) -> Trajectory:
    if spec.start is None:
        return full_trajectory(spec.sampler, spec.schedule, spec.steps, checkpoint.prediction)
    return img2img_sigmas(
        spec.sampler,
        spec.schedule,
        spec.steps,
        spec.start.strength,
        checkpoint.prediction,
        rule=spec.start.rule,
        zero_runs_one=spec.start.zero_runs_one,
    )


def _begin(
    trajectory: Trajectory, prediction: Prediction, noise: Tensor, start: Start | None
) -> Tensor:
    if start is None:
        return trajectory.begin(prediction, noise)
    latent = start.latent.to(noise).expand_as(noise)
    return trajectory.begin(prediction, noise * start.noise_multiplier, latent)


def _noise(checkpoint: Checkpoint, spec: Pass) -> ImageNoise:
    first = spec.seeds[0]
    resized = first.resize_from_width > 0 and first.resize_from_height > 0
    return ImageNoise(
        [n.seed for n in spec.seeds],
        (checkpoint.latent.channels, spec.height, spec.width),
        subseeds=[n.variation_seed for n in spec.seeds],
        subseed_strength=first.variation_strength,
        seed_resize_from=(
            (first.resize_from_height // 8, first.resize_from_width // 8) if resized else None
        ),
        source=first.source.value,
        device=checkpoint.device,
    )


def _options(spec: Pass, prediction: Prediction, trajectory: Trajectory) -> SamplerOptions:
    sampling, unipc = spec.sampling, spec.unipc
    return SamplerOptions(
        eta=sampling.eta,
        s_churn=sampling.s_churn,
        s_tmin=sampling.s_tmin,
        s_tmax=sampling.s_tmax or float("inf"),
        s_noise=sampling.s_noise,
        space=prediction,
        noise_range=trajectory.span,
        model_range=(prediction.sigma_min, prediction.sigma_max) if spec.start is None else None,
        unipc=UniPCForm(unipc.variant.value, unipc.order, unipc.lower_order_final),
    )
