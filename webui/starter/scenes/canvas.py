"""A picture, its object-id map and its depth, painted by the same calls."""

from __future__ import annotations

import cv2
import numpy as np

from webui.starter.scenes.palette import Colour, sketch_colour

SHIFT = 4
INK: Colour = (52, 50, 54)


class Canvas:
    """Twice-size picture with anti-aliased colour, and ids and depth painted exactly."""

    def __init__(self, width: int, height: int, tone: float | None) -> None:
        """Make an empty canvas; ``tone`` is the pencil tone of a sketch, None for colour."""
        self.width, self.height = width, height
        self.unit = min(width, height)
        self.tone = tone
        self.colour = np.full((2 * height, 2 * width, 3), 250, np.uint8)  # [2h, 2w, rgb]
        self.ids = np.zeros((2 * height, 2 * width), np.uint8)  # [2h, 2w]
        self.depth = np.zeros((2 * height, 2 * width), np.uint8)  # [2h, 2w], 255 is near
        self.whole: dict[int, int] = {}

    def place_points(self, x: float, y: float, points: list[tuple[float, float]]) -> np.ndarray:
        """Map points in shorter-side units around picture position (x, y) to pixels."""
        offset = np.array((x * self.width, y * self.height))
        return np.array(points) * self.unit + offset  # [n, xy]

    def fill(
        self, pixels: np.ndarray, colour: Colour, ident: int, depth: float, line: bool = True
    ) -> None:
        """Fill a polygon given in pixels, with an ink line around it in a sketch."""
        paint = colour if self.tone is None else sketch_colour(colour, self.tone)
        fixed = [np.round((pixels * 2 - 0.5) * (1 << SHIFT)).astype(np.int32)]
        cv2.fillPoly(self.colour, fixed, paint, cv2.LINE_AA, SHIFT)
        cv2.fillPoly(self.ids, fixed, int(ident), cv2.LINE_8, SHIFT)
        cv2.fillPoly(self.depth, fixed, int(depth), cv2.LINE_8, SHIFT)
        if self.tone is not None and line:
            width = max(1, round(0.022 * self.unit))
            cv2.polylines(self.colour, fixed, True, INK, width, cv2.LINE_AA, SHIFT)

    def stroke(
        self, pixels: np.ndarray, radius: float, colour: Colour, ident: int, depth: float
    ) -> None:
        """Draw a line of round joints through ``pixels``, outlined as one shape in a sketch."""
        paint = colour if self.tone is None else sketch_colour(colour, self.tone)
        fixed = [np.round((pixels * 2 - 0.5) * (1 << SHIFT)).astype(np.int32)]
        width = max(1, round(4 * radius))
        if self.tone is not None:
            ink = width + 2 * max(1, round(0.013 * self.unit))
            cv2.polylines(self.colour, fixed, False, INK, ink, cv2.LINE_AA, SHIFT)
        cv2.polylines(self.colour, fixed, False, paint, width, cv2.LINE_AA, SHIFT)
        cv2.polylines(self.ids, fixed, False, int(ident), width, cv2.LINE_8, SHIFT)
        cv2.polylines(self.depth, fixed, False, int(depth), width, cv2.LINE_8, SHIFT)

    def fill_ellipse(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        colour: Colour,
        ident: int,
        depth: float,
    ) -> None:
        """Fill an ellipse: centre in picture units, radii in shorter-side units."""
        angle = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
        ring = np.stack((np.cos(angle) * radii[0], np.sin(angle) * radii[1]), 1) * self.unit
        offset = np.array((centre[0] * self.width, centre[1] * self.height))
        self.fill(ring + offset, colour, ident, depth)

    def fill_sky(self, top: Colour, bottom: Colour, horizon: float) -> None:
        """Paint a vertical gradient that reaches ``bottom`` at the horizon."""
        if self.tone is not None:
            top, bottom = sketch_colour(top, self.tone), sketch_colour(bottom, self.tone)
        share = np.linspace(0.0, 1.0, 2 * self.height)[:, None] / horizon
        share = np.clip(share, 0.0, 1.0)
        column = np.array(top) * (1.0 - share) + np.array(bottom) * share  # [2h, rgb]
        self.colour[:] = column[:, None].astype(np.uint8)

    def count(self, ident: int) -> None:
        """Remember how many pixels ``ident`` has now, before nearer things hide it."""
        self.whole[ident] = int((self.ids == ident).sum())
