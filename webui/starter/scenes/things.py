"""The large things but people: houses, trees, boats, each painted around its foot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from webui.starter.scenes.brush import Brush, Points
from webui.starter.scenes.canvas import Canvas
from webui.starter.scenes.palette import (
    LEAVES,
    NEEDLES,
    PIGMENTS,
    shade_colour,
)
from webui.starter.scenes.people import paint_person
from webui.starter.scenes.world import Scene, Thing


def paint_thing(canvas: Canvas, scene: Scene, thing: Thing, ident: int) -> None:
    """Paint ``thing`` with object id ``ident`` and count its pixels."""
    painters: dict[str, Callable[[Brush], None]] = {
        "house": paint_house,
        "oak": paint_oak,
        "pine": paint_pine,
        "palm": paint_palm,
        "cactus": paint_cactus,
        "person": paint_person,
        "boat": paint_boat,
    }
    painters[thing.kind](Brush(canvas, scene, thing, ident))
    canvas.count(ident)


def paint_house(brush: Brush) -> None:
    """Paint walls, gable roof, door and two windows that shine at night."""
    wall = PIGMENTS[brush.thing.paint]
    winter = brush.scene.season == "winter"
    dark = PIGMENTS["slate" if brush.thing.variant > 0.5 else "roof"]
    roof = PIGMENTS["snow"] if winter else dark
    high = 0.40 + 0.1 * brush.thing.variant
    brush.fill_box(-0.44, 0.0, 0.88, high, wall, "wall")
    brush.fill([(-0.5, -high), (-0.26, -high - 0.3), (0.26, -high - 0.3), (0.5, -high)], roof)
    glow = brush.scene.light != "day"
    pane = (255, 214, 110) if glow else (156, 204, 232)
    brush.fill_box(-0.09, 0.0, 0.18, 0.27, PIGMENTS["door"])
    for x in (-0.34, 0.18):
        brush.fill_box(x, -0.14, 0.16, 0.16, pane, "glow" if glow else "thing")


def paint_oak(brush: Brush) -> None:
    """Paint a trunk and a round crown in the season's colour."""
    leaf = LEAVES[brush.scene.season]
    brush.fill_box(-0.05, 0.0, 0.10, 0.5, PIGMENTS["bark"])
    brush.fill_round(0.0, -0.66, 0.31, 0.34, leaf)
    if brush.canvas.tone is None:
        brush.fill_round(-0.08, -0.74, 0.17, 0.17, shade_colour(leaf, 1.14))


def paint_pine(brush: Brush) -> None:
    """Paint three green tiers, with snow on them in winter."""
    needle = NEEDLES[brush.scene.season]
    brush.fill_box(-0.045, 0.0, 0.09, 0.2, PIGMENTS["bark"])
    for low, high, wide in ((-0.14, -0.5, 0.30), (-0.36, -0.74, 0.24), (-0.6, -1.0, 0.17)):
        brush.fill([(-wide, low), (0.0, high), (wide, low)], needle)
        if brush.scene.season == "winter":
            tip = high * 0.55 + low * 0.45
            snow: Points = [(-wide * 0.55, tip), (0.0, high), (wide * 0.55, tip)]
            brush.fill(snow, PIGMENTS["snow"])


def paint_palm(brush: Brush) -> None:
    """Paint a leaning trunk and five fronds."""
    lean = 0.1 if brush.thing.variant > 0.5 else -0.1
    trunk: Points = [(-0.04, 0), (0.04, 0), (lean + 0.03, -0.74), (lean - 0.03, -0.74)]
    brush.fill(trunk, PIGMENTS["hull"])
    for angle in (-2.9, -2.25, -1.57, -0.9, -0.25):
        dx, dy = np.cos(angle) * 0.36, np.sin(angle) * 0.24
        x, y = lean, -0.74
        nx, ny = -dy * 0.28, dx * 0.2
        leaf = [(x, y), (x + dx * 0.5 + nx, y + dy * 0.7 + ny - 0.05), (x + dx, y + dy + 0.1)]
        leaf.append((x + dx * 0.5 - nx, y + dy * 0.7 - ny - 0.01))
        brush.fill([(float(a), float(b)) for a, b in leaf], LEAVES["summer"])


def paint_cactus(brush: Brush) -> None:
    """Paint a column with two arms."""
    green = PIGMENTS["cactus"]
    for side, height in ((-1, -0.36), (1, -0.48)):
        brush.fill_box(min(0, side * 0.3), height, 0.3, 0.11, green)
        brush.fill_box(side * 0.3 - 0.055, height, 0.11, 0.32, green)
    brush.fill_box(-0.09, 0.0, 0.18, 0.94, green)
    brush.fill_round(0.0, -0.94, 0.09, 0.07, green)


def paint_boat(brush: Brush) -> None:
    """Paint a hull, a mast and two sails."""
    sail = PIGMENTS[brush.thing.paint]
    side = 1 if brush.thing.variant > 0.5 else -1
    brush.fill([(-0.5, -0.2), (0.5, -0.2), (0.36, 0.0), (-0.36, 0.0)], PIGMENTS["hull"])
    brush.fill_box(-0.02, -0.2, 0.04, 0.72, PIGMENTS["bark"])
    brush.fill([(side * 0.03, -0.9), (side * 0.03, -0.26), (side * 0.42, -0.26)], sail, "wall")
    brush.fill([(-side * 0.04, -0.8), (-side * 0.04, -0.26), (-side * 0.28, -0.26)], sail, "wall")
