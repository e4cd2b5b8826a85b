"""Between pictures and latents: encoding, decoding in tiles, and a cheap preview."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from webui.errors import NumericalError
from webui.weights.checkpoint import Checkpoint
from webui.weights.placement import like_of

FACTOR = 8
"""Pixels per latent, each way, in every family that we load."""


def to_pixels(image: Image.Image) -> Tensor:
    """A picture as pixels: (1, 3, H, W) float32 in [-1, 1]."""
    array = np.asarray(image.convert("RGB"), dtype=np.float32)
    pixels: Tensor = torch.from_numpy(array)  # pyright: ignore[reportUnknownMemberType]
    return pixels.permute(2, 0, 1).unsqueeze(0) / 127.5 - 1.0


def to_image(pixels: Tensor) -> Image.Image:
    """One picture (3, H, W) in [-1, 1] as PIL; cut off, not rounded, as the older UI does."""
    levels = (pixels.float().clamp(-1, 1) + 1.0) * 127.5
    array = levels.permute(1, 2, 0).to(torch.uint8).cpu().numpy()
    return Image.fromarray(array)


def encode(checkpoint: Checkpoint, pixels: Tensor, tile_pixels: int) -> Tensor:
    """Pixels (B, 3, H, W) as clean, scaled latents (B, C, H/8, W/8) float32.

    Takes the mean of the posterior, so that nothing is drawn. Pictures above `tile_pixels` go
    through in overlapping tiles (0: never).
    """
    vae, latent_format = cast(Any, checkpoint.vae), checkpoint.latent
    tiled = needs_tiles(pixels.shape[-1], pixels.shape[-2], tile_pixels)

    def run() -> Tensor:
        x = pixels.to(like_of(vae))
        posterior = (vae.tiled_encode(x) if tiled else vae.encode(x)).latent_dist
        return (posterior.mode().float() - latent_format.shift) * latent_format.scale

    return _finite(_widened(checkpoint, run), "encoding the source picture")


def decode(checkpoint: Checkpoint, latent: Tensor, tile_pixels: int) -> Tensor:
    """Clean latents (B, C, h, w) as pixels (B, 3, 8h, 8w) float32 in about [-1, 1]."""
    vae, latent_format = cast(Any, checkpoint.vae), checkpoint.latent
    tiled = needs_tiles(latent.shape[-1] * FACTOR, latent.shape[-2] * FACTOR, tile_pixels)
    latent = _finite(latent, "sampling")

    def run() -> Tensor:
        z = latent.to(checkpoint.device) / latent_format.scale + latent_format.shift
        z = z.to(like_of(vae))
        return (vae.tiled_decode(z) if tiled else vae.decode(z)).sample.float()

    return _finite(_widened(checkpoint, run), "decoding the picture")


def decode_images(checkpoint: Checkpoint, latent: Tensor, tile_pixels: int) -> list[Image.Image]:
    """The pictures of clean latents (B, C, h, w), decoded one by one."""
    return [to_image(decode(checkpoint, one.unsqueeze(0), tile_pixels)[0]) for one in latent]


def needs_tiles(width: int, height: int, tile_pixels: int) -> bool:
    """Whether a picture of this size goes through the VAE in tiles."""
    return 0 < tile_pixels < width * height


class Projection:
    """A linear map from latents to small pictures, fitted to a checkpoint's own VAE.

    A few random smooth latents are decoded once; least squares then gives the colour that each
    latent channel stands for, so previews cost a matrix product whatever the family.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        generator = torch.Generator().manual_seed(0)
        channels = checkpoint.latent.channels
        coarse = torch.randn((4, channels, 4, 4), generator=generator)
        latent = functional.interpolate(coarse, size=(16, 16), mode="bicubic")
        pixels = decode(checkpoint, latent, tile_pixels=0).cpu()
        small = functional.avg_pool2d(pixels, FACTOR)  # (4, 3, 16, 16)
        inputs = _with_constant(latent)  # (4*16*16, C + 1)
        targets = small.permute(0, 2, 3, 1).reshape(-1, 3)
        # the pseudo-inverse is least squares for a handful of columns
        inverse = cast(Tensor, torch.linalg.pinv(inputs))  # pyright: ignore[reportUnknownMemberType]
        self._weights = inverse @ targets  # (C + 1, 3)

    def __call__(self, latent: Tensor) -> Image.Image:
        """One latent (C, h, w) as a picture of w x h."""
        _, height, width = latent.shape
        flat = _with_constant(latent.unsqueeze(0).float().cpu()) @ self._weights
        return to_image(flat.reshape(height, width, 3).permute(2, 0, 1))


def show(previewer: nn.Module, latent: Tensor) -> Image.Image:
    """One latent (C, h, w) as a picture, by a small network of its own size."""
    with torch.inference_mode():
        return to_image(previewer(latent.unsqueeze(0).to(next(previewer.parameters())))[0])


def _with_constant(latent: Tensor) -> Tensor:
    rows = latent.permute(0, 2, 3, 1).reshape(-1, latent.shape[1])
    return torch.cat([rows, torch.ones(len(rows), 1)], dim=1)


def _widened(checkpoint: Checkpoint, run: Callable[[], Tensor]) -> Tensor:
    """What `run` gives; once more in single precision where half was not enough."""
    with torch.inference_mode():
        values = run()
        if bool(torch.isfinite(values).all()) or not checkpoint.widen_vae():
            return values
        return run()


def _finite(values: Tensor, stage: str) -> Tensor:
    if not torch.isfinite(values).all():
        raise NumericalError(stage)
    return values
