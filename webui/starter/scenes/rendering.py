"""One scene to one picture with its maps, at any size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from webui.starter.scenes.backdrop import (
    CLOUD,
    FIRST_THING,
    MOUNTAIN,
    ORB,
    SKY,
    STARS,
    WATER,
    paint_backdrop,
)
from webui.starter.scenes.canvas import Canvas
from webui.starter.scenes.finishes import finish_picture, warp_map
from webui.starter.scenes.things import paint_thing
from webui.starter.scenes.world import Scene

NAMED = {"clouds": CLOUD, "mountains": MOUNTAIN, "orb": ORB, "stars": STARS, "water": WATER}
SHOWN_SHARE = 0.6
PENCIL_TONE = 0.20
SHOWN_AREA = 0.0035


@dataclass(frozen=True)
class Rendering:
    """A picture [h, w, rgb] uint8, ids and depth [h, w] uint8, and the names of what shows."""

    picture: np.ndarray
    ids: np.ndarray
    depth: np.ndarray
    shown: frozenset[str]


def render_scene(scene: Scene, width: int, height: int | None = None) -> Rendering:
    """Render ``scene`` at ``width`` x ``height`` pixels (square by default).

    ``shown`` holds ``thing0``... and ``clouds mountains orb stars water`` for everything
    of which at least 60 % can be seen.
    """
    height = height or width
    canvas = Canvas(width, height, PENCIL_TONE if scene.style == "sketch" else None)
    paint_backdrop(canvas, scene)
    for index, thing in enumerate(scene.things):
        paint_thing(canvas, scene, thing, FIRST_THING + index)
    picture = cv2.resize(canvas.colour, (width, height), interpolation=cv2.INTER_AREA)
    ids, depth = canvas.ids[::2, ::2].copy(), canvas.depth[::2, ::2].copy()
    sky = np.isin(ids, (SKY, STARS, ORB, CLOUD)).astype(np.float32)
    finished = finish_picture(picture, depth, scene, sky)
    ids, depth = warp_map(ids, scene, True), warp_map(depth, scene, True)
    return Rendering(finished, ids, depth, find_shown(canvas, scene))


def find_edges(picture: np.ndarray) -> np.ndarray:
    """Find the Canny edges [h, w] uint8 (0 or 255) of a picture [h, w, rgb] uint8.

    With the thresholds of the interface's preprocessor: what a user gives a ControlNet.
    """
    return cv2.Canny(picture, 100, 200)


def find_shown(canvas: Canvas, scene: Scene) -> frozenset[str]:
    """Name everything of which most pixels survived what was painted later."""
    names = dict(NAMED)
    names.update({f"thing{i}": FIRST_THING + i for i in range(len(scene.things))})
    found = set()
    counts = np.bincount(canvas.ids.ravel(), minlength=32)
    for name, ident in names.items():
        whole, left = canvas.whole.get(ident, 0), int(counts[ident])
        floor = 0.0004 if name == "stars" else SHOWN_AREA
        if whole and left >= SHOWN_SHARE * whole and left >= floor * canvas.ids.size:
            found.add(name)
    return frozenset(found)
