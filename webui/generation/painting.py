"""From requests of one shape to clean latents: source, base pass, hires pass."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from webui.contract.request import GenerationRequest, Hires, ResizeMode, Source
from webui.contract.worker import Inputs
from webui.diffusion.conditioning import Conditioning
from webui.diffusion.layers import Interrupted
from webui.diffusion.samplers import Sampler
from webui.diffusion.schedules import Schedule
from webui.errors import InvalidRequest
from webui.generation import latents, upscaling
from webui.generation.caches import Recent
from webui.generation.effects import Join
from webui.generation.passes import Pass, Start, count_steps, run_pass
from webui.generation.watching import Project, Watch
from webui.images.decode import decode_image, flatten
from webui.images.geometry import hires_size, resize
from webui.prompts.encoding import encode_prompt
from webui.weights.checkpoint import Checkpoint

T = TypeVar("T")
Find = Callable[[str], T]
"""Looks an entry up by its id in requests; raises NotFound."""

SAMPLED = 0.95
"""The share of an item's bar that sampling fills; decoding has the rest."""


@dataclass(frozen=True, eq=False)
class Painted:
    """Clean latents (B, C, h, w), or ready pictures where nothing had to be sampled."""

    latent: Tensor | None
    images: tuple[Image.Image, ...] = ()
    stopped: bool = False


class Painter:
    """Runs the passes of a request with one checkpoint; remembers encodings between items."""

    def __init__(
        self, samplers: Find[Sampler], schedules: Find[Schedule], tile_pixels: int
    ) -> None:
        self._samplers = samplers
        self._schedules = schedules
        self._tile_pixels = tile_pixels
        self._texts = Recent[Conditioning](32)
        self._sources = Recent[Tensor](8)
        self._projections = Recent[latents.Projection](2)

    def forget(self) -> None:
        """Drop what was made with checkpoints that are gone."""
        self._texts.clear()
        self._sources.clear()
        self._projections.clear()

    def paint(
        self,
        checkpoint: Checkpoint,
        requests: Sequence[GenerationRequest],
        inputs: Inputs,
        join: Join,
        watch: Watch,
    ) -> Painted:
        """Sample requests that differ in their seeds only; a stop returns what is there.

        Raises Interrupted when a cancel was asked for.
        """
        request = requests[0]
        share = _base_share(request)
        start = self._start(checkpoint, request, inputs, watch)
        if start is not None and start.strength <= 0 and not start.zero_runs_one:
            return Painted(None, (self._resized(request, inputs),) * len(requests))
        base = self._pass(checkpoint, requests, start)
        watch.enter(
            "sampling",
            0.0,
            SAMPLED * share,
            count_steps(checkpoint, base),
            self._projection(checkpoint),
        )
        try:
            latent = run_pass(checkpoint, base, join, watch.report, watch.check)
            if request.hires is not None:
                latent = self._hires(checkpoint, requests, latent, join, watch)
        except Interrupted as interrupted:
            if interrupted.mode == "cancel" or interrupted.denoised is None:
                raise
            return Painted(interrupted.denoised, stopped=True)
        return Painted(latent)

    def decode(self, checkpoint: Checkpoint, painted: Painted, tiling: bool) -> list[Image.Image]:
        """The pictures of what was painted."""
        if painted.latent is None:
            return list(painted.images)
        tiles = 0 if tiling else self._tile_pixels  # tiles would not meet at the outer edges
        return [
            latents.to_image(latents.decode(checkpoint, one.unsqueeze(0), tiles)[0])
            for one in painted.latent
        ]

    def _start(
        self,
        checkpoint: Checkpoint,
        request: GenerationRequest,
        inputs: Inputs,
        watch: Watch,
    ) -> Start | None:
        source = request.source
        if source is None:
            return None
        if source.denoising_strength <= 0 and not source.zero_strength_step:
            latent = torch.empty(0)  # nothing is sampled, so nothing is encoded
        else:
            watch.enter("encoding", 0.0, 0.0)
            latent = self._source_latent(checkpoint, request, source, inputs)
        return Start(
            latent,
            source.denoising_strength,
            "exact" if source.exact_steps else "proportional",
            source.zero_strength_step,
            source.noise_multiplier,
        )

    def _source_latent(
        self,
        checkpoint: Checkpoint,
        request: GenerationRequest,
        source: Source,
        inputs: Inputs,
    ) -> Tensor:
        canvas = request.canvas
        digest = hashlib.sha256(_bytes_of(source, inputs)).digest()
        key = (
            checkpoint.sha256,
            digest,
            source.resize_mode,
            canvas.width,
            canvas.height,
            canvas.tiling,
        )
        return self._sources.get(key, lambda: self._encode(checkpoint, request, inputs))

    def _encode(self, checkpoint: Checkpoint, request: GenerationRequest, inputs: Inputs) -> Tensor:
        source, canvas = request.source, request.canvas
        assert source is not None
        tiles = 0 if canvas.tiling else self._tile_pixels
        if source.resize_mode is not ResizeMode.LATENT_UPSCALE:
            image = self._resized(request, inputs)
            return latents.encode(checkpoint, latents.to_pixels(image), tiles)
        image = _whole_cells(_decoded(source, inputs))
        latent = latents.encode(checkpoint, latents.to_pixels(image), tiles)
        return upscaling.resize_latent(
            latent, canvas.width // latents.FACTOR, canvas.height // latents.FACTOR
        )

    def _resized(self, request: GenerationRequest, inputs: Inputs) -> Image.Image:
        """The source picture through its resize rule, at the size of the canvas."""
        source, canvas = request.source, request.canvas
        assert source is not None
        image = _decoded(source, inputs)
        mode = source.resize_mode
        if mode is ResizeMode.LATENT_UPSCALE:  # without latents, the nearest thing in pixels
            mode = ResizeMode.JUST_RESIZE
        return resize(image, canvas.width, canvas.height, mode)

    def _hires(
        self,
        checkpoint: Checkpoint,
        requests: Sequence[GenerationRequest],
        latent: Tensor,
        join: Join,
        watch: Watch,
    ) -> Tensor:
        request = requests[0]
        hires = request.hires
        assert hires is not None
        enlarged = self._enlarged(checkpoint, request, hires, latent, watch)
        if hires.denoising_strength <= 0:
            return enlarged
        start = Start(enlarged, hires.denoising_strength, "exact")
        second = [_hires_request(r, hires) for r in requests]
        spec = replace(self._pass(checkpoint, second, start), hires=True)
        watch.enter(
            "hires fix",
            SAMPLED * _base_share(request),
            SAMPLED,
            count_steps(checkpoint, spec),
            self._projection(checkpoint),
        )
        return run_pass(checkpoint, spec, join, watch.report, watch.check)

    def _enlarged(
        self,
        checkpoint: Checkpoint,
        request: GenerationRequest,
        hires: Hires,
        latent: Tensor,
        watch: Watch,
    ) -> Tensor:
        size = hires_size(request.canvas, hires)
        watch.enter("enlarging", SAMPLED * _base_share(request), SAMPLED * _base_share(request))
        tiles = 0 if request.canvas.tiling else self._tile_pixels
        if upscaling.is_latent(hires.upscaler):
            width, height = size.scaled_width // 8, size.scaled_height // 8
            enlarged = upscaling.resize_latent(latent, width, height, hires.upscaler)
        else:
            images = self.decode(checkpoint, Painted(latent), request.canvas.tiling)
            grown = [
                upscaling.resize_pixels(i, size.scaled_width, size.scaled_height, hires.upscaler)
                for i in images
            ]
            pixels = torch.cat([latents.to_pixels(image) for image in grown])
            enlarged = latents.encode(checkpoint, pixels, tiles)
        return _cropped(enlarged, size.width // 8, size.height // 8)

    def _pass(
        self, checkpoint: Checkpoint, requests: Sequence[GenerationRequest], start: Start | None
    ) -> Pass:
        request = requests[0]
        sampling, canvas = request.sampling, request.canvas
        height, width = canvas.height // latents.FACTOR, canvas.width // latents.FACTOR
        if start is not None and start.latent.numel():
            height, width = start.latent.shape[-2:]
        return Pass(
            width=width,
            height=height,
            sampler=self._samplers(sampling.sampler),
            schedule=self._schedules(sampling.schedule),
            steps=sampling.steps,
            cond=self._text(checkpoint, request.prompt.positive, request.model.clip_skip),
            uncond=self._text(checkpoint, request.prompt.negative, request.model.clip_skip),
            sampling=sampling,
            seeds=[r.noise for r in requests],
            unipc=request.unipc,
            start=start,
        )

    def _text(self, checkpoint: Checkpoint, text: str, clip_skip: int) -> Conditioning:
        key = (checkpoint.sha256, text, clip_skip)
        return self._texts.get(key, lambda: encode_prompt(checkpoint, text, clip_skip))

    def _projection(self, checkpoint: Checkpoint) -> Project:
        """The checkpoint's projection, fitted only when a preview is really made."""

        def project(latent: Tensor) -> Image.Image:
            make = self._projections.get(checkpoint.sha256, lambda: latents.Projection(checkpoint))
            return make(latent)

        return project


def _base_share(request: GenerationRequest) -> float:
    """The part of all sampling that the first pass is, by steps times pixels."""
    hires = request.hires
    if hires is None:
        return 1.0
    size = hires_size(request.canvas, hires)
    base = request.sampling.steps * request.canvas.width * request.canvas.height
    second = (hires.steps or request.sampling.steps) * size.width * size.height
    return base / (base + second)


def _hires_request(request: GenerationRequest, hires: Hires) -> GenerationRequest:
    """The request as the second pass has it."""
    sampling, prompt = request.sampling, request.prompt
    return request.model_copy(
        update={
            "sampling": sampling.model_copy(
                update={
                    "steps": hires.steps or sampling.steps,
                    "sampler": hires.sampler or sampling.sampler,
                    "schedule": hires.schedule or sampling.schedule,
                }
            ),
            "prompt": prompt.model_copy(
                update={
                    "positive": hires.prompt or prompt.positive,
                    "negative": hires.negative_prompt or prompt.negative,
                }
            ),
        }
    )


def _bytes_of(source: Source, inputs: Inputs) -> bytes:
    data = inputs.get(source.image)
    if data is None:
        raise InvalidRequest("source.image", "The source image is not there any more.")
    return data


def _decoded(source: Source, inputs: Inputs) -> Image.Image:
    return flatten(decode_image(_bytes_of(source, inputs), "source.image"))


def _whole_cells(image: Image.Image) -> Image.Image:
    """The picture cut to a multiple of the latent cell, so that the VAE takes it as it is."""
    factor = latents.FACTOR
    return image.crop(
        (0, 0, max(image.width // factor, 1) * factor, max(image.height // factor, 1) * factor)
    )


def _cropped(latent: Tensor, width: int, height: int) -> Tensor:
    """The middle of latents (B, C, h, w), as (B, C, height, width)."""
    top, left = (latent.shape[-2] - height) // 2, (latent.shape[-1] - width) // 2
    return latent[:, :, top : top + height, left : left + width]
