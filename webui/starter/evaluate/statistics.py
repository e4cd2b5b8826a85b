"""Simple exact statistics of pictures: how bright, how red, how much grass is covered.

Pictures are [n, h, w, rgb] from 0 to 255; a score is one number a picture. Each was tuned on
rendered scenes, of which the truth is known, never on what a model draws.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from webui.starter.scenes import find_edges

Score = Callable[[np.ndarray], np.ndarray]

GROUND = (0.71, 0.86)
ABOVE_HORIZON = (0.12, 0.42)
LAKE = (0.56, 0.84)
LOWER = (0.45, 0.95)
BODY = (0.15, 0.92)


def cut_rows(pictures: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Cut a band of rows out of pictures, as float32; ``band`` in shares of the height."""
    height = pictures.shape[1]
    rows = slice(round(band[0] * height), round(band[1] * height))
    return pictures[:, rows].astype(np.float32)


def split_channels(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split pictures into red, green and blue [n, h, w]."""
    return pictures[..., 0], pictures[..., 1], pictures[..., 2]


def brightness(pictures: np.ndarray) -> np.ndarray:
    """Mean of everything."""
    return pictures.mean((1, 2, 3), dtype=np.float64)


def saturation(pictures: np.ndarray) -> np.ndarray:
    """Mean distance between the strongest and the weakest colour channel."""
    found = pictures.astype(np.float32)
    return (found.max(3) - found.min(3)).mean((1, 2))


def ground_brightness(pictures: np.ndarray) -> np.ndarray:
    """Mean of the lowest fifth."""
    return brightness(cut_rows(pictures, (0.8, 1.0)))


def sky_warmth(pictures: np.ndarray) -> np.ndarray:
    """Mean of red minus blue in the upper two fifths."""
    red, _, blue = split_channels(cut_rows(pictures, (0.0, 0.4)))
    return (red - blue).mean((1, 2))


def red_share(pictures: np.ndarray) -> np.ndarray:
    """Share of clearly red pixels in the lower half."""
    return is_red(cut_rows(pictures, LOWER)).mean((1, 2))


def blue_share(pictures: np.ndarray) -> np.ndarray:
    """Share of clearly blue pixels, bluer than any sky by day, in the lower half."""
    red, green, blue = split_channels(cut_rows(pictures, LOWER))
    return ((blue - red > 50) & (blue - green > 45)).mean((1, 2))


def yellow_share(pictures: np.ndarray) -> np.ndarray:
    """Share of clearly yellow pixels in the lower half."""
    red, green, blue = split_channels(cut_rows(pictures, LOWER))
    return ((red - blue > 70) & (green - blue > 45) & (red > green)).mean((1, 2))


def is_red(pictures: np.ndarray) -> np.ndarray:
    """Tell [n, h, w] which pixels are clearly red: walls, not roofs."""
    red, green, blue = split_channels(pictures.astype(np.float32))
    return (red - green > 78) & (red - blue > 78)


def is_grass(pictures: np.ndarray) -> np.ndarray:
    """Tell [n, h, w] which pixels have the green of grass or leaves."""
    red, green, blue = split_channels(pictures.astype(np.float32))
    return (green - red > 8) & (green - blue > 8)


def is_sky(pictures: np.ndarray) -> np.ndarray:
    """Tell [n, h, w] which pixels have the light blue of a sky by day."""
    red, green, blue = split_channels(pictures.astype(np.float32))
    return (blue - red > 12) & (green - red > 2) & (blue - green < 92)


def covered_ground(pictures: np.ndarray) -> np.ndarray:
    """Share of the middle ground that shows no grass: something stands on it."""
    return 1.0 - is_grass(cut_rows(pictures, GROUND)).mean((1, 2))


def raised_green(pictures: np.ndarray) -> np.ndarray:
    """Share of green above the horizon: the crown of a tree in summer."""
    return is_grass(cut_rows(pictures, ABOVE_HORIZON)).mean((1, 2))


def skin_share(pictures: np.ndarray) -> np.ndarray:
    """Share of pixels of the colour of skin."""
    red, green, blue = split_channels(cut_rows(pictures, BODY))
    warm = (red - green > 28) & (red - green < 72) & (green - blue > 12) & (green - blue < 58)
    return (warm & (red > 175)).mean((1, 2))


def water_share(pictures: np.ndarray) -> np.ndarray:
    """Share of blue where a lake lies: below the horizon, above the near ground."""
    red, green, blue = split_channels(cut_rows(pictures, LAKE))
    return ((blue - red > 85) & (blue - green > 46)).mean((1, 2))


def lean_right(pictures: np.ndarray) -> np.ndarray:
    """Tell whether the middle ground is covered on the right (above 0) or on the left."""
    bare = is_grass(cut_rows(pictures, GROUND)).mean(1)  # [n, w]
    place = np.linspace(-1.0, 1.0, bare.shape[1])
    covered = 1.0 - bare
    return (covered * place).sum(1) / (covered.sum(1) + 1e-6)


def subtract(first: Score, second: Score) -> Score:
    """Make a score of the difference of two."""

    def score(pictures: np.ndarray) -> np.ndarray:
        return first(pictures) - second(pictures)

    return score


def compare_scores(more: np.ndarray, less: np.ndarray, margin: float = 0.0) -> float:
    """Tell the share of pairs in which ``more`` is greater; within ``margin`` counts half."""
    gap = more[:, None] - less[None]
    return float((gap > margin).mean() + 0.5 * (np.abs(gap) <= margin).mean())


def root_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Root mean square distance [n] of pictures."""
    gap = first.astype(np.float32) - second.astype(np.float32)
    return np.sqrt((gap**2).mean((1, 2, 3)))


def stretch_contrast(picture: np.ndarray) -> np.ndarray:
    """Stretch a picture [h, w, rgb] uint8 to full contrast, so that night has edges too."""
    low, high = np.percentile(picture, (2, 98))
    return np.clip((picture - low) * (255.0 / max(high - low, 32.0)), 0, 255).astype(np.uint8)


def match_edges(found: np.ndarray, wanted: np.ndarray, reach: int = 2) -> float:
    """F1 of two edge maps [h, w]: an edge counts within ``reach`` pixels of one of the other."""
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    one, two = (found > 0).astype(np.uint8), (wanted > 0).astype(np.uint8)
    if not one.any() or not two.any():
        return 0.0
    precision = float(cv2.dilate(two, kernel)[one > 0].mean())
    recall = float(cv2.dilate(one, kernel)[two > 0].mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def agree_layout(first: np.ndarray, second: np.ndarray) -> float:
    """F1 of the edges of two pictures [h, w, rgb] uint8 after stretching their contrast."""
    return match_edges(*(find_edges(stretch_contrast(picture)) for picture in (first, second)))
