"""From requests of one shape to clean latents: source, base pass, hires pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from PIL import Image
from torch import Tensor

from webui.contract.request import GenerationRequest, Hires, RefinerPass
from webui.contract.worker import Inputs
from webui.diffusion.layers import Interrupted
from webui.diffusion.samplers import Sampler
from webui.diffusion.schedules import Schedule
from webui.generation import latents, sources
from webui.generation.effects import Join
from webui.generation.hires import base_share, enlarge, second_request
from webui.generation.models import Models
from webui.generation.passes import Pass, Refinement, Start, plan_pass, run_pass
from webui.generation.previews import Previews
from webui.generation.sights import Scene, look
from webui.generation.sources import Sources
from webui.generation.texts import Texts, Words
from webui.generation.watching import Watch
from webui.prompts.syntax import Span
from webui.weights.checkpoint import Checkpoint

T = TypeVar("T")
Find = Callable[[str], T]
"""Looks an entry up by its id in requests; raises NotFound."""

SAMPLED = 0.95
"""The share of an item's bar that sampling fills; decoding has the rest."""


@dataclass(frozen=True, eq=False)
class Painted:
    """Clean latents (B, C, h, w) and whose they are, or pictures where nothing was sampled."""

    latent: Tensor | None
    checkpoint: Checkpoint
    images: tuple[Image.Image, ...] = ()
    stopped: bool = False


@dataclass(eq=False)
class Run:
    """Requests on their way; `checkpoint` is the one whose latents there are by now."""

    models: Models
    requests: Sequence[GenerationRequest]
    inputs: Inputs
    join: Join
    watch: Watch
    checkpoint: Checkpoint


class Painter:
    """Runs the passes of requests; remembers encodings between items.

    `previews` shows unfinished latents.
    """

    def __init__(
        self, samplers: Find[Sampler], schedules: Find[Schedule], tile_pixels: Callable[[], int]
    ) -> None:
        self._samplers = samplers
        self._schedules = schedules
        self._tile_pixels = tile_pixels
        self._texts = Texts()
        self._sources = Sources(tile_pixels)
        self.previews = Previews()

    def forget(self) -> None:
        """Drop what was made with checkpoints that are gone."""
        self._texts.forget()
        self._sources.forget()
        self.previews.forget()

    def packs(self, request: GenerationRequest) -> bool:
        """Whether several images of `request` may share a run, by the samplers that it names."""
        names = [request.sampling.sampler]
        if request.hires is not None and request.hires.sampler:
            names.append(request.hires.sampler)
        return all(self._samplers(name).packs for name in names)

    def paint(
        self,
        models: Models,
        requests: Sequence[GenerationRequest],
        inputs: Inputs,
        join: Join,
        watch: Watch,
    ) -> Painted:
        """Sample requests that differ in their seeds only; a stop returns what is there.

        Raises Interrupted when a cancel was asked for, NotFound before anything is sampled.
        """
        request = requests[0]
        if request.refiner is not None:
            models.check(request.refiner.checkpoint, "refiner.checkpoint")
        if request.hires is not None:
            models.check(request.hires.checkpoint, "hires.checkpoint")
        checkpoint = models.open(request.model.checkpoint).checkpoint
        run = Run(models, requests, inputs, join, watch, checkpoint)
        if request.source is not None and not sources.is_sampled(request.source):
            image = self._sources.unsampled(request, inputs)
            return Painted(None, checkpoint, (image,) * len(requests))
        models.wear(request.prompt.positive)
        try:
            latent = self._base(run)
            if request.hires is not None:
                latent = self._hires(run, request.hires, latent)
        except Interrupted as interrupted:
            if interrupted.mode == "cancel" or interrupted.denoised is None:
                raise
            return Painted(interrupted.denoised, run.checkpoint, stopped=True)
        return Painted(latent, run.checkpoint)

    def decode(self, painted: Painted, tiling: bool) -> list[Image.Image]:
        """The pictures of what was painted."""
        if painted.latent is None:
            return list(painted.images)
        return latents.decode_images(painted.checkpoint, painted.latent, self._tiles(tiling))

    def finish(
        self, image: Image.Image, request: GenerationRequest, inputs: Inputs, painted: Painted
    ) -> Image.Image:
        """A decoded picture brought together with its source."""
        return self._sources.finished(image, request, inputs, painted.latent is not None)

    def _base(self, run: Run) -> Tensor:
        request, start, scene = run.requests[0], None, Scene()
        if request.source is not None:
            run.watch.enter("encoding", 0.0, 0.0)
            start = self._sources.start(run.checkpoint, request, run.inputs)
            latent = self._sources.latent(run.checkpoint, request, run.inputs)
            scene = self._sources.scene(request, run.inputs, latent)
        wish, own = request.refiner, request.hires is None
        refines = wish is not None and (own or wish.hires_pass is not RefinerPass.SECOND)
        spec = self._pass(run, run.requests, self._span(request), start, scene, refines)
        return self._sample(run, spec, "sampling", 0.0, SAMPLED * base_share(request))

    def _hires(self, run: Run, hires: Hires, latent: Tensor) -> Tensor:
        first, second = run.requests[0], [second_request(one) for one in run.requests]
        begun = SAMPLED * base_share(first)
        run.watch.enter("enlarging", begun, begun)
        run.models.wear(second[0].prompt.positive)
        after = run.models.follow(second[0].model.checkpoint, run.checkpoint)
        tiles = self._tiles(first.canvas.tiling)
        enlarged = enlarge(run.checkpoint, after, first, hires, latent, tiles)
        run.checkpoint = after
        if hires.denoising_strength <= 0:
            return enlarged
        start = Start(enlarged, hires.denoising_strength, "exact")
        wish = first.refiner
        refines = wish is not None and wish.hires_pass is not RefinerPass.FIRST
        span = self._span(second[0], self._span(first).calls)
        scene = Scene(enlarged, lambda: latents.decode(after, enlarged, tiles))
        spec = replace(self._pass(run, second, span, start, scene, refines), hires=True)
        return self._sample(run, spec, "hires fix", begun, SAMPLED)

    def _sample(self, run: Run, spec: Pass, stage: str, low: float, high: float) -> Tensor:
        steps = len(plan_pass(run.checkpoint, spec).sigmas) - 1
        project = self.previews.projection(run.checkpoint)
        run.watch.enter(stage, low, high, steps, project)
        return run_pass(run.checkpoint, spec, run.join, run.watch.report, run.watch.check)

    def _pass(
        self,
        run: Run,
        requests: Sequence[GenerationRequest],
        span: Span,
        start: Start | None,
        scene: Scene,
        refines: bool,
    ) -> Pass:
        request = requests[0]
        sampling, canvas = request.sampling, request.canvas
        height, width = canvas.height // latents.FACTOR, canvas.width // latents.FACTOR
        if start is not None:
            height, width = start.latent.shape[-2:]
        size, tiles = (width * latents.FACTOR, height * latents.FACTOR), self._tiles(canvas.tiling)
        return Pass(
            width=width,
            height=height,
            sampler=self._samplers(sampling.sampler),
            schedule=self._schedules(sampling.schedule),
            steps=sampling.steps,
            words=self._words(run, request, span, size),
            sampling=sampling,
            levels=request.levels,
            unipc=request.unipc,
            seeds=[r.noise for r in requests],
            start=start,
            refinement=self._refinement(run, request, span, size) if refines else None,
            look=lambda checkpoint: look(checkpoint, scene, width, height, tiles),
            picture_scale=request.source.image_cfg_scale if request.source else 1.0,
        )

    def _refinement(
        self, run: Run, request: GenerationRequest, span: Span, size: tuple[int, int]
    ) -> Refinement:
        refiner = request.refiner
        assert refiner is not None

        def load() -> tuple[Checkpoint, Words]:
            run.checkpoint = run.models.follow(refiner.checkpoint, run.checkpoint)
            return run.checkpoint, self._words(run, request, span, size)

        return Refinement(refiner.switch_at, refiner.by_sampling_steps, load)

    def _words(
        self, run: Run, request: GenerationRequest, span: Span, size: tuple[int, int]
    ) -> Words:
        models = run.models
        return self._texts.words(run.checkpoint, request, span, size, models.reading, models.look)

    def _span(self, request: GenerationRequest, first_calls: int | None = None) -> Span:
        """The calls that prompts are spread over, as the older UI plans them."""
        sampler = self._samplers(request.sampling.sampler)
        calls = request.sampling.steps * (2 if sampler.second_order else 1)
        return Span(calls, first_calls, request.reading.old_editing)

    def _tiles(self, tiling: bool) -> int:
        return 0 if tiling else self._tile_pixels()  # tiles would not meet at the outer edges
