"""What a network sees beside the noisy latent: a hole's surroundings, or a whole picture."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from webui.generation import latents
from webui.weights.checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class Scene:
    """What there is to see of the picture that a pass starts from; nothing in text to image.

    Attributes:
        latent: its clean latents, (1 or B, C, h, w).
        pixels: makes its pixels, (1 or B, 3, H, W) in [-1, 1].
        mask: where it is painted, (1, 1, H, W) in [0, 1]; None for everywhere.
        strength: how much of what the mask covers is hidden.
    """

    latent: Tensor | None = None
    pixels: Callable[[], Tensor] | None = None
    mask: Tensor | None = None
    strength: float = 1.0


@dataclass(frozen=True, eq=False)
class Seen:
    """A scene as one network takes it.

    `channels` (1 or B, K, h, w) go into its input beside the latent, `reference` (1 or B, C, h, w)
    are clean latents that it sees as further tokens.
    """

    channels: Tensor | None = None
    reference: Tensor | None = None


def look(checkpoint: Checkpoint, scene: Scene, width: int, height: int, tile_pixels: int) -> Seen:
    """What the network of `checkpoint` sees of `scene`, in `width` x `height` latent cells."""
    sees = checkpoint.family.sees
    if sees == "mask":
        return Seen(_hole(checkpoint, scene, width, height, tile_pixels))
    if sees == "picture":
        if scene.latent is None:
            return Seen(torch.zeros(1, checkpoint.latent.channels, height, width))
        plain = scene.latent / checkpoint.latent.scale + checkpoint.latent.shift
        return Seen(plain)
    return Seen(reference=scene.latent if sees == "reference" else None)


def _hole(
    checkpoint: Checkpoint, scene: Scene, width: int, height: int, tile_pixels: int
) -> Tensor:
    """The mask and the picture without what it covers, (1 or B, K, h, w), as the family has them.

    Where there is no picture, or all of it is covered, grey stands for it.
    """
    factor = latents.FACTOR
    size = (height * factor, width * factor)
    mask = torch.ones(1, 1, *size) if scene.mask is None else scene.mask.float().cpu()
    covered = scene.mask is None and scene.strength == 1
    if scene.pixels is None or covered:
        pixels = torch.zeros(1, 3, *size)
    else:
        pixels = scene.pixels().float().cpu() * (1 - mask * scene.strength)
    latent = latents.encode(checkpoint, pixels, tile_pixels)  # (1 or B, C, h, w)
    if checkpoint.family.base == "flux":  # every pixel of the mask, behind the picture
        cells = functional.pixel_unshuffle(mask, factor)  # (1, 64, h, w)
        return torch.cat([latent, _each(cells, latent)], dim=1)
    cells = functional.interpolate(mask, size=(height, width))
    return torch.cat([_each(cells, latent), latent], dim=1)


def _each(cells: Tensor, latent: Tensor) -> Tensor:
    return cells.to(latent).expand(len(latent), -1, -1, -1)
