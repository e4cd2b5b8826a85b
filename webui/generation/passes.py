"""One trip through the sampling loop; a hires fix is two of them, an img2img is one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from webui.contract.request import Levels, Noise, Sampling, UniPC
from webui.diffusion.conditioning import Timeline
from webui.diffusion.denoiser import Denoiser, Guided, Shown
from webui.diffusion.guidance import cfg, two_scales
from webui.diffusion.layers import Check, Masked, Report, Switched, Watched
from webui.diffusion.moments import refiner_is_due, skipped_negative
from webui.diffusion.noise import ImageNoise
from webui.diffusion.prediction import DiscretePrediction, FlowPrediction, Prediction
from webui.diffusion.samplers import Sampler, SamplerOptions, UniPCForm
from webui.diffusion.schedules import (
    Schedule,
    ScheduleOptions,
    StepRule,
    Trajectory,
    count_steps,
    full_trajectory,
    img2img_sigmas,
)
from webui.generation.effects import Join, Layers
from webui.generation.sights import Seen
from webui.generation.texts import Words
from webui.plugins.effects import PassView
from webui.weights.checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class Start:
    """What a pass begins from: clean latents (B, C, h, w), and how far they may change.

    `mask` (1, 1, h, w) is 1 where the pass paints and 0 where the latent stays; `noise_in_mask`
    puts pure noise where it paints.
    """

    latent: Tensor
    strength: float
    rule: StepRule = "proportional"
    zero_runs_one: bool = False
    noise_multiplier: float = 1.0
    mask: Tensor | None = None
    noise_in_mask: bool = False


@dataclass(frozen=True, eq=False)
class Refinement:
    """A checkpoint that takes over in mid-pass.

    Attributes:
        switch_at: the share of the pass after which it does.
        by_calls: count calls of the network, not noise levels.
        open: loads it and reads the prompts with it, at that moment.
    """

    switch_at: float
    by_calls: bool
    open: Callable[[], tuple[Checkpoint, Words]]


@dataclass(frozen=True, eq=False)
class Pass:
    """Everything that one pass needs; sizes are in latent cells.

    `start` is None for a picture from noise alone. `seeds` holds the noise fields of each image.
    `look` tells what a checkpoint's network sees beside the latent, `picture_scale` how strongly
    one that follows pictures does so.
    """

    width: int
    height: int
    sampler: Sampler
    schedule: Schedule
    steps: int
    words: Words
    sampling: Sampling
    levels: Levels
    unipc: UniPC
    seeds: Sequence[Noise]
    start: Start | None = None
    refinement: Refinement | None = None
    hires: bool = False
    look: Callable[[Checkpoint], Seen] = field(default=lambda _checkpoint: Seen())
    picture_scale: float = 1.0

    @property
    def calls(self) -> int:
        """Calls of the network as the older UI plans them, whatever the solver makes of it."""
        steps = self.steps
        if self.start is not None:
            steps = count_steps(steps, self.start.strength, self.start.rule)[1] + 1
        return steps * (2 if self.sampler.second_order else 1)


def run_pass(
    checkpoint: Checkpoint, spec: Pass, join: Join, report: Report, check: Check
) -> Tensor:
    """Sample clean latents (B, C, height, width) float32.

    Raises Interrupted, holding the last estimate, when `check` asks for it, and NumericalError.
    """
    prediction = _prediction(checkpoint, spec)
    noise = _noise(checkpoint, spec)
    trajectory = plan_pass(checkpoint, spec)
    kept = _kept(checkpoint, spec)
    x = _begin(trajectory, prediction, noise.initial(), spec, kept)
    if len(trajectory.sigmas) < 2:
        return x
    levels = tuple(float(sigma) for sigma in trajectory.sigmas)
    scale = spec.sampling.cfg_scale * spec.sampler.cfg_factor
    at_work: list[Guided] = []

    def wrapped(network_of: Checkpoint, words: Words, first_call: int) -> Denoiser:
        layers = join(PassView(network_of, scale, levels, spec.hires))
        at_work[:] = [_guided(network_of, words, spec, layers, first_call)]
        return layers.wrap(at_work[0])

    def hand_over(calls: int) -> Denoiser:
        assert spec.refinement is not None
        return wrapped(*spec.refinement.open(), calls)

    first = wrapped(checkpoint, spec.words, 0)
    relay = Switched[Denoiser](first, hand_over, _due(spec, prediction))
    options = _options(spec, prediction, trajectory, lambda: at_work[0].latest_uncond())
    masked = _masked(relay, spec, kept)
    watched = Watched(masked or relay, report, check, trajectory.sigmas)
    latent = spec.sampler.sample(watched, x, trajectory.sigmas, noise, options)
    return latent if masked is None else masked.blend(latent)


def plan_pass(checkpoint: Checkpoint, spec: Pass) -> Trajectory:
    """The noise levels that the pass will visit."""
    prediction, options = _levelled(checkpoint, spec), _schedule_options(checkpoint, spec)
    start = spec.start
    if start is None:
        return full_trajectory(spec.sampler, spec.schedule, spec.steps, prediction, options)
    return img2img_sigmas(
        spec.sampler,
        spec.schedule,
        spec.steps,
        start.strength,
        prediction,
        options,
        start.rule,
        start.zero_runs_one,
    )


def _guided(
    checkpoint: Checkpoint, words: Words, spec: Pass, layers: Layers, first_call: int
) -> Guided:
    """The guided network of a checkpoint, from the call `first_call` on."""
    sampling, sampler = spec.sampling, spec.sampler
    prediction = _prediction(checkpoint, spec)
    scale = sampling.cfg_scale * sampler.cfg_factor
    seen = spec.look(checkpoint)
    shown = [] if seen.channels is None else [seen.channels.to(checkpoint.device)]
    network = Shown(checkpoint.network, *shown) if shown else checkpoint.network
    edits = checkpoint.family.sees == "picture" and spec.picture_scale != 1
    usual = two_scales(scale, spec.picture_scale) if edits else cfg(scale)
    skip = skipped_negative(
        sampling.skip_negative_below,
        sampling.skip_negative_all_steps,
        sampling.skip_negative_until,
        spec.calls,
        prediction.timestep if sampler.unit_start else None,
    )
    return Guided(
        layers.network(network),
        prediction,
        _with_reference(words.cond, seen),
        _with_reference(words.uncond, seen),
        scale,
        guidance=layers.guidance(usual) or (usual if edits else None),
        padding=words.padding,
        skip=None if edits else skip,
        both_sides=sampler.needs_uncond,
        first_call=first_call,
    )


def _with_reference(told: Timeline, seen: Seen) -> list[Timeline]:
    """What each image is told, with the picture that it refers to; one for all where it is one."""
    if seen.reference is None:
        return [told]

    def referring(picture: Tensor) -> Timeline:
        return told.each(lambda one: replace(one, reference=picture))

    return [referring(seen.reference[i : i + 1]) for i in range(len(seen.reference))]


def _due(spec: Pass, prediction: Prediction) -> Callable[[int, Tensor], bool]:
    if spec.refinement is None:
        return lambda call, sigma: False
    refinement = spec.refinement
    return refiner_is_due(refinement.switch_at, refinement.by_calls, spec.calls, prediction)


def _prediction(checkpoint: Checkpoint, spec: Pass) -> Prediction:
    return spec.sampler.adapt(_levelled(checkpoint, spec))


def _levelled(checkpoint: Checkpoint, spec: Pass) -> Prediction:
    """The checkpoint's prediction with its table of noise levels as it was asked for."""
    prediction = checkpoint.prediction
    if isinstance(prediction, FlowPrediction):
        return prediction.shifted(spec.levels.shift, _tokens(spec))
    if not isinstance(prediction, DiscretePrediction):
        return prediction
    if spec.levels.downcast_alphas:
        prediction = prediction.downcast()
    return prediction.ending_in_noise() if spec.levels.zero_terminal_snr else prediction


def _tokens(spec: Pass) -> int:
    """The patches of two by two cells that a transformer reads a picture in."""
    return -(-spec.height // 2) * -(-spec.width // 2)


def _schedule_options(checkpoint: Checkpoint, spec: Pass) -> ScheduleOptions:
    levels = spec.levels
    return ScheduleOptions(
        sigma_min=levels.sigma_min or None,
        sigma_max=levels.sigma_max or None,
        rho=levels.rho or None,
        discard_next_to_last=levels.discard_next_to_last,
        sgm_noise=levels.sgm_noise_multiplier,
        beta_alpha=levels.beta_alpha,
        beta_beta=levels.beta_beta,
        skip=spec.unipc.skip_type.value,
        family=(checkpoint.family.base or checkpoint.family.name).removesuffix("_refiner"),
    )


def _begin(
    trajectory: Trajectory, prediction: Prediction, noise: Tensor, spec: Pass, kept: Tensor | None
) -> Tensor:
    if spec.start is None or kept is None:
        return trajectory.begin(prediction, noise)
    noise = noise * spec.start.noise_multiplier
    return trajectory.begin(prediction, noise, kept.expand_as(noise), spec.seeds[0].extra)


def _kept(checkpoint: Checkpoint, spec: Pass) -> Tensor | None:
    """The clean latents (B, C, h, w) that a pass begins from; None where it begins from noise."""
    start = spec.start
    if start is None:
        return None
    latent = start.latent.to(checkpoint.device)
    if start.mask is None or not start.noise_in_mask:
        return latent
    plain = ImageNoise(
        [n.seed for n in spec.seeds],
        (checkpoint.latent.channels, spec.height, spec.width),
        source=spec.seeds[0].source.value,
        device=checkpoint.device,
    ).initial()
    return latent + plain * start.mask.to(plain)


def _masked(denoiser: Denoiser, spec: Pass, kept: Tensor | None) -> Masked | None:
    if spec.start is None or spec.start.mask is None or kept is None:
        return None
    return Masked(denoiser, spec.start.mask.to(kept), kept, spec.sampler.unit_start)


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
        step_delta=spec.sampling.ensd,
        source=first.source.value,
        device=checkpoint.device,
    )


def _options(
    spec: Pass, prediction: Prediction, trajectory: Trajectory, last_uncond: Callable[[], Tensor]
) -> SamplerOptions:
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
        last_uncond=last_uncond,
        unipc=UniPCForm(unipc.variant.value, unipc.order, unipc.lower_order_final),
    )
