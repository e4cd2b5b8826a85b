"""Condition maps for ControlNets: edges, depth and poses as the interface makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.progress import track

from webui.starter.gallery import Gallery
from webui.starter.scenes import Scene, find_edges, find_pose, render_scene

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12),
    (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""The points that lines join, in the order of their colours."""

LIMB_SHADE = 0.6
BRUSH = 4 / 512
"""Half the width of a line and the radius of a point, as a share of the picture's shorter side."""

Mapper = Callable[[int], np.ndarray]
"""From a row of a gallery to its map [h, w, rgb] uint8."""


def list_colours() -> list[tuple[int, int, int]]:
    """List the colours of the 18 points: once around the wheel from red, by fifteen degrees."""
    wheel = [round(255 * share / 6) for share in (0, 2, 4, 6)]
    rise = [(255, level, 0) for level in wheel]
    rise += [(level, 255, 0) for level in wheel[-2::-1]]
    rise += [(0, 255, level) for level in wheel[1:]]
    rise += [(0, level, 255) for level in wheel[-2::-1]]
    rise += [(level, 0, 255) for level in wheel[1:]]
    return [*rise, (255, 0, wheel[2]), (255, 0, wheel[1])]


def draw_poses(poses: list[np.ndarray], width: int, height: int) -> np.ndarray:
    """Draw people, each [18, 3] with x, y and whether it shows, as coloured limbs on black."""
    picture = np.zeros((height, width, 3), np.uint8)
    colours, brush = list_colours(), max(1, round(BRUSH * min(width, height)))
    for points in poses:
        for colour, (start, end) in zip(colours, LIMBS, strict=False):
            if points[start, 2] and points[end, 2]:
                draw_limb(picture, points[start, :2], points[end, :2], colour, brush)
        for colour, (x, y, shows) in zip(colours, points, strict=True):
            if shows:
                cv2.circle(picture, (round(x), round(y)), brush, colour, -1)
    return picture


def draw_limb(
    picture: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    colour: tuple[int, int, int],
    brush: int,
) -> None:
    """Fill a long ellipse between two points."""
    middle, reach = (start + end) / 2, end - start
    axes = (round(float(np.hypot(*reach)) / 2), brush)
    angle = round(float(np.degrees(np.arctan2(reach[1], reach[0]))))
    centre = (round(float(middle[0])), round(float(middle[1])))
    ring = cv2.ellipse2Poly(centre, axes, angle, 0, 360, 1)
    cv2.fillConvexPoly(picture, ring, tuple(LIMB_SHADE * level for level in colour))


def map_edges(gallery: Gallery) -> Mapper:
    """Map a gallery to its Canny edges."""
    return lambda row: spread(find_edges(gallery.pictures[row]))


def map_poses(gallery: Gallery) -> Mapper:
    """Map a gallery to the poses of its people."""
    size = gallery.size
    return lambda row: draw_poses(find_pose(gallery.scenes[row], size, size), size, size)


def map_depth(folder: Path, gallery: Gallery) -> Mapper:
    """Map a gallery to its exact depth, 255 being near; rendered once into ``folder``."""
    name = f"{gallery.stem}depth-{gallery.size}"
    path, mark = folder / f"{name}.npy", folder / f"{name}.done"
    if not mark.exists():
        shape = gallery.pictures.shape[:3]
        store = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        for row in track(range(len(store)), f"{gallery.stem}depth at {gallery.size} px"):
            store[row] = render_scene(gallery.scenes[row], gallery.size).depth
        store.flush()
        mark.touch()
    depths = np.load(path, mmap_mode="r")
    return lambda row: spread(depths[row])


def spread(grey: np.ndarray) -> np.ndarray:
    """Spread a grey map [h, w] over three channels."""
    return np.repeat(np.asarray(grey)[..., None], 3, 2)


def has_people(scene: Scene) -> bool:
    """Tell whether a scene has anybody in it."""
    return any(thing.kind == "person" for thing in scene.things)


def stack_maps(mapper: Mapper, rows: np.ndarray) -> torch.Tensor:
    """Stack the maps of ``rows`` as a ControlNet takes them: [b, rgb, h, w] in [0, 1]."""
    maps = np.stack([mapper(int(row)) for row in rows])
    return torch.from_numpy(maps).permute(0, 3, 1, 2).contiguous().float() / 255.0
