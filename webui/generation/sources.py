"""The picture that is painted over: brought to size, and encoded for the first pass."""

import hashlib
from collections.abc import Callable, Hashable

from PIL import Image
from torch import Tensor

from webui.contract.request import (
    GenerationRequest,
    Inpaint,
    MaskedContent,
    ResizeMode,
    Source,
    digest,
)
from webui.contract.worker import Inputs
from webui.errors import InvalidRequest
from webui.generation import latents, upscaling
from webui.generation.caches import Recent
from webui.generation.inpainting import Region, cells_of, prepare_region
from webui.generation.passes import Start
from webui.generation.sights import Scene
from webui.images.colours import match_colours
from webui.images.decode import decode_image, flatten
from webui.images.geometry import resize
from webui.weights.checkpoint import Checkpoint


class Sources:
    """Turns the source of a request into what a pass starts from; remembers latents."""

    def __init__(self, tile_pixels: Callable[[], int]) -> None:
        self._tile_pixels = tile_pixels
        self._latents = Recent[Tensor](8)
        self._regions = Recent[Region](2)

    def forget(self) -> None:
        """Drop what was encoded by checkpoints that are gone."""
        self._latents.clear()
        self._regions.clear()

    def start(self, checkpoint: Checkpoint, request: GenerationRequest, inputs: Inputs) -> Start:
        """What a pass over the source begins from.

        Raises InvalidRequest where the picture is not there, or is none.
        """
        source = request.source
        assert source is not None
        latent = self.latent(checkpoint, request, inputs)
        region, inpaint = self._region(request, inputs), source.inpaint
        mask = None
        if region is not None and inpaint is not None:
            height, width = latent.shape[-2:]
            mask = cells_of(region.mask, width, height, inpaint.rounded).to(latent.device)
            if inpaint.content in (MaskedContent.LATENT_NOISE, MaskedContent.LATENT_NOTHING):
                latent = latent * (1 - mask)
        return Start(
            latent,
            source.denoising_strength,
            "exact" if source.exact_steps else "proportional",
            source.zero_strength_step,
            source.noise_multiplier,
            mask,
            inpaint is not None and inpaint.content is MaskedContent.LATENT_NOISE,
        )

    def scene(self, request: GenerationRequest, inputs: Inputs, latent: Tensor) -> Scene:
        """What a network may see of the source, whose clean latents are `latent`."""
        source, canvas = request.source, request.canvas
        assert source is not None
        region = self._region(request, inputs)
        size = (canvas.width, canvas.height)

        def pixels() -> Tensor:
            image = fitted(request, inputs) if region is None else region.image
            return latents.to_pixels(resize(image, *size, ResizeMode.JUST_RESIZE))

        mask = None
        if region is not None and source.inpaint is not None:
            mask = cells_of(region.mask, *size, source.inpaint.rounded)
        return Scene(latent, pixels, mask, source.conditioning_mask_strength)

    def unsampled(self, request: GenerationRequest, inputs: Inputs) -> Image.Image:
        """What stands for the result where nothing goes through the network."""
        region = self._region(request, inputs)
        if region is not None:
            return region.image
        canvas = request.canvas
        image = fitted(request, inputs)
        return resize(image, canvas.width, canvas.height, ResizeMode.JUST_RESIZE)

    def finished(
        self, image: Image.Image, request: GenerationRequest, inputs: Inputs, sampled: bool
    ) -> Image.Image:
        """A decoded picture with the colours of the source, if asked for, and all that is kept."""
        source = request.source
        if source is None:
            return image
        region = self._region(request, inputs)
        if source.color_correction and sampled:
            target = fitted(request, inputs) if region is None else region.image
            image = match_colours(image, target)
        if region is None or source.inpaint is None or not source.inpaint.overlay:
            return image
        return region.finish(image)

    def _region(self, request: GenerationRequest, inputs: Inputs) -> Region | None:
        source, canvas = request.source, request.canvas
        if source is None or source.inpaint is None:
            return None
        inpaint = source.inpaint

        def prepare() -> Region:
            image = flatten(decode_image(_bytes_of(source, inputs), "source.image"))
            mask = decode_image(_mask_bytes(inpaint, inputs), "source.inpaint.mask")
            return prepare_region(source, inpaint, canvas, image, mask)

        return self._regions.get(self._key(request, source, inputs), prepare)

    def latent(self, checkpoint: Checkpoint, request: GenerationRequest, inputs: Inputs) -> Tensor:
        """The source as clean latents (1, C, h, w)."""
        source = request.source
        assert source is not None
        key = (
            checkpoint.sha256,
            request.model.vae,
            request.canvas.tiling,
            *self._key(request, source, inputs),
        )
        return self._latents.get(key, lambda: self._encode(checkpoint, request, source, inputs))

    def _key(
        self, request: GenerationRequest, source: Source, inputs: Inputs
    ) -> tuple[Hashable, ...]:
        """What the prepared picture depends on: bytes of the pictures, rules, sizes."""
        canvas, inpaint = request.canvas, source.inpaint
        mask = b"" if inpaint is None else hashlib.sha256(_mask_bytes(inpaint, inputs)).digest()
        picture = hashlib.sha256(_bytes_of(source, inputs)).digest()
        rules = "" if inpaint is None else digest(inpaint)
        return (picture, mask, rules, source.resize_mode, canvas.width, canvas.height)

    def _encode(
        self, checkpoint: Checkpoint, request: GenerationRequest, source: Source, inputs: Inputs
    ) -> Tensor:
        canvas = request.canvas
        tiles = 0 if canvas.tiling else self._tile_pixels()
        region = self._region(request, inputs)
        image = fitted(request, inputs) if region is None else region.image
        if region is not None and region.box is not None:
            return latents.encode(checkpoint, latents.to_pixels(image), tiles)
        if source.resize_mode is not ResizeMode.LATENT_UPSCALE:
            return latents.encode(checkpoint, latents.to_pixels(image), tiles)
        latent = latents.encode(checkpoint, latents.to_pixels(_whole_cells(image)), tiles)
        return upscaling.resize_latent(
            latent, canvas.width // latents.FACTOR, canvas.height // latents.FACTOR
        )


def is_sampled(source: Source) -> bool:
    """Whether anything goes through the network; if not, the result is the resized picture."""
    return source.denoising_strength > 0 or source.zero_strength_step


def fitted(request: GenerationRequest, inputs: Inputs) -> Image.Image:
    """The source picture by its resize rule; as it is where its latent will be resized."""
    source, canvas = request.source, request.canvas
    assert source is not None
    image = flatten(decode_image(_bytes_of(source, inputs), "source.image"))
    return resize(image, canvas.width, canvas.height, source.resize_mode)


def _bytes_of(source: Source, inputs: Inputs) -> bytes:
    data = inputs.get(source.image)
    if data is None:
        raise InvalidRequest("source.image", "The source image is not there any more.")
    return data


def _mask_bytes(inpaint: Inpaint, inputs: Inputs) -> bytes:
    data = inputs.get(inpaint.mask)
    if data is None:
        raise InvalidRequest("source.inpaint.mask", "The mask is not there any more.")
    return data


def _whole_cells(image: Image.Image) -> Image.Image:
    """The picture cut to a multiple of the latent cell, so that the VAE takes it as it is."""
    factor = latents.FACTOR
    return image.crop(
        (0, 0, max(image.width // factor, 1) * factor, max(image.height // factor, 1) * factor)
    )
