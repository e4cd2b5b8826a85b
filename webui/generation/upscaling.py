"""Enlarging between two passes: in latents, or in pixels."""

from collections.abc import Callable

from PIL import Image
from torch import Tensor
from torch.nn import functional

LATENT_MODES: dict[str, tuple[str, bool]] = {
    "latent": ("bilinear", False),
    "latent_antialiased": ("bilinear", True),
    "latent_bicubic": ("bicubic", False),
    "latent_bicubic_antialiased": ("bicubic", True),
    "latent_nearest": ("nearest", False),
    "latent_nearest_exact": ("nearest-exact", False),
}
PIXEL_FILTERS = {"lanczos": Image.Resampling.LANCZOS, "nearest": Image.Resampling.NEAREST}

PixelUpscaler = Callable[[Image.Image, int, int], Image.Image]


def is_latent(upscaler: str) -> bool:
    """Whether the upscaler works on latents, without a trip through the VAE."""
    return upscaler in LATENT_MODES


def resize_latent(latent: Tensor, width: int, height: int, upscaler: str = "latent") -> Tensor:
    """Latents (B, C, h, w) interpolated to (B, C, height, width), sizes in latent cells."""
    mode, antialias = LATENT_MODES[upscaler]
    if mode.startswith("nearest"):
        return functional.interpolate(latent, size=(height, width), mode=mode)
    return functional.interpolate(latent, size=(height, width), mode=mode, antialias=antialias)


def resize_pixels(image: Image.Image, width: int, height: int, upscaler: str) -> Image.Image:
    """A picture enlarged to width x height by a plain filter."""
    return image.resize((width, height), PIXEL_FILTERS[upscaler])
