"""A brush for one thing: its parts in units of its size, painted where the thing stands."""

from __future__ import annotations

import numpy as np

from webui.starter.scenes.canvas import Canvas
from webui.starter.scenes.palette import Colour, tint_colour
from webui.starter.scenes.world import Scene, Thing

Points = list[tuple[float, float]]


class Brush:
    """Paints parts of one thing: points in units of its size, up is negative."""

    def __init__(self, canvas: Canvas, scene: Scene, thing: Thing, ident: int) -> None:
        """Bind a thing to its place, light and id."""
        self.canvas, self.scene, self.thing, self.ident = canvas, scene, thing, ident
        self.depth = 90 + 150 * (thing.base - scene.horizon) / (1 - scene.horizon)

    def fill(self, points: Points, colour: Colour, matter: str = "thing") -> None:
        """Fill a polygon of the thing with a colour as the scene's light shows it."""
        scaled = [(x * self.thing.size, y * self.thing.size) for x, y in points]
        pixels = self.canvas.place_points(self.thing.x, self.thing.base, scaled)
        shown = tint_colour(colour, self.scene.light, matter)
        self.canvas.fill(pixels, shown, self.ident, min(self.depth, 250.0))

    def fill_round(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Fill an ellipse of the thing."""
        angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        ring = [(x + rx * np.cos(a), y + ry * np.sin(a)) for a in angle]
        self.fill([(float(px), float(py)) for px, py in ring], colour)

    def fill_box(
        self, x: float, y: float, w: float, h: float, colour: Colour, matter: str = "thing"
    ) -> None:
        """Fill a box whose lower left corner is (x, y)."""
        self.fill([(x, y), (x + w, y), (x + w, y - h), (x, y - h)], colour, matter)

    def stroke(self, points: Points, radius: float, colour: Colour, matter: str = "thing") -> None:
        """Draw a limb with round ends through ``points``."""
        scaled = [(x * self.thing.size, y * self.thing.size) for x, y in points]
        pixels = self.canvas.place_points(self.thing.x, self.thing.base, scaled)
        wide = radius * self.thing.size * self.canvas.unit
        shown = tint_colour(colour, self.scene.light, matter)
        self.canvas.stroke(pixels, wide, shown, self.ident, min(self.depth, 250.0))
