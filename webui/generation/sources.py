"""The picture that is painted over: brought to size, and encoded for the first pass."""

import hashlib

from PIL import Image
from torch import Tensor

from webui.contract.request import GenerationRequest, ResizeMode, Source
from webui.contract.worker import Inputs
from webui.errors import InvalidRequest
from webui.generation import latents, upscaling
from webui.generation.caches import Recent
from webui.generation.passes import Start
from webui.images.colours import match_colours
from webui.images.decode import decode_image, flatten
from webui.images.geometry import resize
from webui.weights.checkpoint import Checkpoint


class Sources:
    """Turns the source of a request into what a pass starts from; remembers latents."""

    def __init__(self, tile_pixels: int) -> None:
        self._tile_pixels = tile_pixels
        self._latents = Recent[Tensor](8)

    def forget(self) -> None:
        """Drop what was encoded by checkpoints that are gone."""
        self._latents.clear()

    def start(self, checkpoint: Checkpoint, request: GenerationRequest, inputs: Inputs) -> Start:
        """What a pass over the source begins from.

        Raises InvalidRequest where the picture is not there, or is none.
        """
        source = request.source
        assert source is not None
        return Start(
            self._latent(checkpoint, request, source, inputs),
            source.denoising_strength,
            "exact" if source.exact_steps else "proportional",
            source.zero_strength_step,
            source.noise_multiplier,
        )

    def _latent(
        self, checkpoint: Checkpoint, request: GenerationRequest, source: Source, inputs: Inputs
    ) -> Tensor:
        canvas = request.canvas
        key = (
            checkpoint.sha256,
            hashlib.sha256(_bytes_of(source, inputs)).digest(),
            source.resize_mode,
            canvas.width,
            canvas.height,
            canvas.tiling,
        )
        return self._latents.get(key, lambda: self._encode(checkpoint, request, source, inputs))

    def _encode(
        self, checkpoint: Checkpoint, request: GenerationRequest, source: Source, inputs: Inputs
    ) -> Tensor:
        canvas = request.canvas
        tiles = 0 if canvas.tiling else self._tile_pixels
        image = fitted(request, inputs)
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


def resized(request: GenerationRequest, inputs: Inputs) -> Image.Image:
    """The source picture at the size of the canvas, in pixels whatever its rule."""
    canvas = request.canvas
    image = fitted(request, inputs)
    return resize(image, canvas.width, canvas.height, ResizeMode.JUST_RESIZE)


def corrected(image: Image.Image, request: GenerationRequest, inputs: Inputs) -> Image.Image:
    """The result with the colours of the source, where the request asks for it."""
    source = request.source
    if source is None or not source.color_correction:
        return image
    return match_colours(image, fitted(request, inputs))


def _bytes_of(source: Source, inputs: Inputs) -> bytes:
    data = inputs.get(source.image)
    if data is None:
        raise InvalidRequest("source.image", "The source image is not there any more.")
    return data


def _whole_cells(image: Image.Image) -> Image.Image:
    """The picture cut to a multiple of the latent cell, so that the VAE takes it as it is."""
    factor = latents.FACTOR
    return image.crop(
        (0, 0, max(image.width // factor, 1) * factor, max(image.height // factor, 1) * factor)
    )
