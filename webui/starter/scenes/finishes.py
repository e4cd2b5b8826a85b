"""Styles: what turns the plain painted picture into a photo or a watercolour."""

from __future__ import annotations

import cv2
import numpy as np

from webui.starter.scenes.palette import SKIES
from webui.starter.scenes.world import Scene

WOBBLE = 0.006


def finish_picture(
    picture: np.ndarray, depth: np.ndarray, scene: Scene, sky: np.ndarray
) -> np.ndarray:
    """Give a picture [h, w, rgb] uint8 its style; ``depth`` and ``sky`` are [h, w] maps."""
    if scene.style == "photo":
        return finish_photo(picture, depth, scene, sky)
    if scene.style == "watercolor":
        return finish_watercolor(picture, scene)
    return picture


def spread_noise(scene: Scene, key: int, cells: int, shape: tuple[int, int]) -> np.ndarray:
    """Make smooth noise [h, w] of ``cells`` cells a side, the same at any size."""
    grid = np.random.default_rng((key, scene.seed)).standard_normal((cells, cells))
    return cv2.resize(grid.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)


def finish_photo(
    picture: np.ndarray, depth: np.ndarray, scene: Scene, sky: np.ndarray
) -> np.ndarray:
    """Add haze by depth, a glow around the sun or moon, soft ground texture, a vignette."""
    height, width = depth.shape
    image = picture.astype(np.float32)
    haze = np.array(SKIES[scene.light][1], np.float32)
    mist = (np.clip(1.0 - depth / 190.0, 0.0, 1.0) * 0.45 * (1 - sky))[..., None]
    image = image * (1 - mist) + haze * mist
    grain = spread_noise(scene, 3, 40, depth.shape) * 0.025 * (1 - sky)
    image *= 1.0 + grain[..., None]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if scene.orb is not None:
        unit = min(width, height)
        far = (x - scene.orb.x * width) ** 2 + (y - scene.orb.y * height) ** 2
        glow = np.exp(-far / (2 * (2.4 * scene.orb.radius * unit) ** 2))[..., None]
        warm = np.array((60, 60, 70) if scene.light == "night" else (95, 75, 35), np.float32)
        image += glow * warm
    edge = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2)[..., None]
    image *= 1.04 - 0.42 * edge
    return np.clip(image, 0, 255).astype(np.uint8)


def finish_watercolor(picture: np.ndarray, scene: Scene) -> np.ndarray:
    """Let edges wobble and pigment pool on white paper."""
    shape = picture.shape[:2]
    image = warp_map(picture, scene)
    pool = 0.86 + 0.09 * spread_noise(scene, 4, 9, shape) + 0.02 * spread_noise(scene, 5, 40, shape)
    strength = 0.94 if scene.light == "night" else 0.88
    pool = np.clip(pool * strength, 0.45, 1.0)[..., None]
    image = 252.0 - (252.0 - image.astype(np.float32)) * pool
    return np.clip(image, 0, 255).astype(np.uint8)


def find_field(scene: Scene, width: int, height: int) -> np.ndarray:
    """Find how far [h, w, xy] the wobble of a watercolour reaches for each pixel."""
    reach = WOBBLE * min(width, height)
    return np.stack([spread_noise(scene, key, 20, (height, width)) * reach for key in (8, 9)], 2)


def find_shift(scene: Scene, spots: np.ndarray, width: int, height: int) -> np.ndarray:
    """Find by how much [n, xy] the wobble has moved what was painted at ``spots`` [n, xy]."""
    if scene.style != "watercolor":
        return np.zeros_like(spots)
    field = find_field(scene, width, height)
    shift = np.zeros_like(spots)
    for _ in range(3):  # the field is told where things end up, not where they were
        at = np.round(spots - shift).astype(int)
        at = np.clip(at, 0, (width - 1, height - 1))
        shift = field[at[:, 1], at[:, 0]].astype(float)
    return shift


def warp_map(image: np.ndarray, scene: Scene, exact: bool = False) -> np.ndarray:
    """Move the pixels of a picture, or of an ``exact`` map, as a watercolour's edges wobble."""
    if scene.style != "watercolor":
        return image
    height, width = image.shape[:2]
    field = find_field(scene, width, height)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    how = cv2.INTER_NEAREST if exact else cv2.INTER_LINEAR
    return cv2.remap(
        image, x + field[..., 0], y + field[..., 1], how, borderMode=cv2.BORDER_REFLECT
    )
