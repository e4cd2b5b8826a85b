"""Styles: what turns the plain painted picture into a photo, a watercolour or an oil."""

from __future__ import annotations

import cv2
import numpy as np

from webui.starter.scenes.palette import SKIES
from webui.starter.scenes.world import Scene


def finish_picture(
    picture: np.ndarray, depth: np.ndarray, scene: Scene, sky: np.ndarray
) -> np.ndarray:
    """Give a picture [h, w, rgb] uint8 its style; ``depth`` and ``sky`` are [h, w] maps."""
    if scene.style == "photo":
        return finish_photo(picture, depth, scene, sky)
    if scene.style == "watercolor":
        return finish_watercolor(picture, scene)
    if scene.style == "oil":
        return finish_oil(picture, scene)
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
    image = warp_edges(picture, scene, 0.006)
    pool = 0.86 + 0.09 * spread_noise(scene, 4, 9, shape) + 0.02 * spread_noise(scene, 5, 40, shape)
    strength = 0.94 if scene.light == "night" else 0.88
    pool = np.clip(pool * strength, 0.45, 1.0)[..., None]
    image = 252.0 - (252.0 - image.astype(np.float32)) * pool
    return np.clip(image, 0, 255).astype(np.uint8)


def finish_oil(picture: np.ndarray, scene: Scene) -> np.ndarray:
    """Deepen colours and lay broad horizontal strokes over them."""
    shape = picture.shape[:2]
    image = warp_edges(picture, scene, 0.007).astype(np.float32)
    grey = image.mean(2, keepdims=True)
    image = grey + (image - grey) * 1.3
    grid = np.random.default_rng((6, scene.seed)).standard_normal((64, 12)).astype(np.float32)
    strokes = cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_LINEAR)
    image *= 1.0 + 0.05 * strokes[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def warp_edges(picture: np.ndarray, scene: Scene, amount: float) -> np.ndarray:
    """Move pixels by smooth noise, ``amount`` of the shorter side in deviation."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    reach = amount * min(height, width)
    x += spread_noise(scene, 8, 20, (height, width)) * reach
    y += spread_noise(scene, 9, 20, (height, width)) * reach
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
