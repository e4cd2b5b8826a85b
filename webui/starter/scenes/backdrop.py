"""Sky, mountains, ground and water: everything behind the large things."""

from __future__ import annotations

import numpy as np

from webui.starter.scenes.canvas import Canvas
from webui.starter.scenes.palette import (
    GROUNDS,
    PIGMENTS,
    SKIES,
    WATERS,
    mix_colours,
    shade_colour,
    tint_colour,
)
from webui.starter.scenes.world import Disc, Scene

SKY, GROUND, WATER, MOUNTAIN, ORB, CLOUD, STARS = range(7)
FIRST_THING = 10
FULL = 1.2


def paint_backdrop(canvas: Canvas, scene: Scene) -> None:
    """Paint sky, orb, stars, clouds, mountains, ground and water, far to near."""
    top, bottom = SKIES[scene.light]
    canvas.fill_sky(top, bottom, scene.horizon)
    for star in scene.stars:
        canvas.fill(square(canvas, star), (236, 236, 210), STARS, 0, line=False)
    canvas.count(STARS)
    if scene.orb is not None:
        paint_orb(canvas, scene, scene.orb)
    for cloud in scene.clouds:
        paint_cloud(canvas, scene, cloud)
    canvas.count(CLOUD)
    paint_mountains(canvas, scene)
    paint_ground(canvas, scene)
    paint_water(canvas, scene)


def square(canvas: Canvas, spot: Disc) -> np.ndarray:
    """Place a small diamond at ``spot``."""
    r = spot.radius
    return canvas.place_points(spot.x, spot.y, [(-r, 0), (0, -r), (r, 0), (0, r)])


def paint_orb(canvas: Canvas, scene: Scene, orb: Disc) -> None:
    """Paint the sun (with a halo) or the moon."""
    colour = {"day": (255, 226, 92), "night": (244, 242, 220), "sunset": (255, 226, 120)}
    halo = mix_colours(colour[scene.light], SKIES[scene.light][1], 0.55)
    if scene.light != "night" and canvas.tone is None:
        canvas.fill_ellipse((orb.x, orb.y), (orb.radius * 1.4,) * 2, halo, ORB, 0)
    canvas.fill_ellipse((orb.x, orb.y), (orb.radius,) * 2, colour[scene.light], ORB, 0)
    canvas.count(ORB)


def paint_cloud(canvas: Canvas, scene: Scene, cloud: Disc) -> None:
    """Paint a cloud as one outline of three bumps."""
    tints = {"day": (250, 251, 253), "night": (96, 106, 150), "sunset": (246, 176, 160)}
    angle = np.linspace(np.pi, 2 * np.pi, 12)
    bumps = [(-1.2, 0.75), (0.0, 1.1), (1.2, 0.75)]
    points = [
        (cloud.radius * (x + r * np.cos(a)), cloud.radius * r * np.sin(a) * 0.9)
        for x, r in bumps
        for a in angle
    ]
    canvas.fill(canvas.place_points(cloud.x, cloud.y, points), tints[scene.light], CLOUD, 0)


def paint_mountains(canvas: Canvas, scene: Scene) -> None:
    """Paint peaks with a dark side and a snow cap."""
    rock = tint_colour(PIGMENTS["rock"], scene.light, "land")
    rock = mix_colours(rock, SKIES[scene.light][1], 0.25)
    cap = tint_colour(PIGMENTS["snow"], scene.light, "thing")
    for x, height in scene.ridges:
        wide, deep = height * 1.1, 0.3 * height
        slope = 0.36
        outline = [(-wide, 0), (0, -height), (wide, 0)]
        shadow = [(0, -height), (wide, 0), (0.25 * wide, 0)]
        left, right = -slope * wide, slope * wide
        snow = [
            (0, -height),
            (right, -height * (1 - slope)),
            (0.12 * wide, -height * (1 - slope) - deep * 0.35),
            (0, -height * (1 - slope) + deep * 0.2),
            (-0.14 * wide, -height * (1 - slope) - deep * 0.35),
            (left, -height * (1 - slope)),
        ]
        for points, colour in ((outline, rock), (shadow, shade_colour(rock, 0.82)), (snow, cap)):
            pixels = canvas.place_points(x, scene.horizon + 0.01, points)
            canvas.fill(pixels, colour, MOUNTAIN, 40)
    canvas.count(MOUNTAIN)


def paint_ground(canvas: Canvas, scene: Scene) -> None:
    """Paint the ground from a gently curved horizon down, nearer towards the bottom."""
    key = scene.place if scene.place in GROUNDS else scene.season
    far = tint_colour(GROUNDS[key], scene.light, "land")
    rng = np.random.default_rng((7, scene.seed))
    flat = scene.place in ("seaside", "lakeside")
    bend = 0.0 if flat else rng.uniform(-0.02, 0.02)
    x = np.linspace(-FULL, FULL, 17)
    ridge = [(float(v), float(bend * np.cos(2.2 * v))) for v in x]
    outline = [*ridge, (FULL, FULL), (-FULL, FULL)]
    stretch = canvas.place_points(0.5, scene.horizon, outline)
    stretch[:, 0] = (stretch[:, 0] - canvas.width / 2) * canvas.width / canvas.unit
    stretch[:, 0] += canvas.width / 2
    stretch[-2:, 1] = canvas.height * FULL
    canvas.fill(stretch, far, GROUND, 60)
    rows = np.arange(2 * canvas.height) / (2 * canvas.height)
    near = np.clip((rows - scene.horizon) / (1 - scene.horizon), 0, 1)
    below = canvas.ids == GROUND
    canvas.depth[:] = np.where(below, (60 + 150 * near).astype(np.uint8)[:, None], canvas.depth)
    if canvas.tone is None:
        fade = (1.06 - 0.16 * near)[:, None, None]
        shaded = np.clip(canvas.colour * fade, 0, 255).astype(np.uint8)
        canvas.colour[:] = np.where(below[..., None], shaded, canvas.colour)


def paint_water(canvas: Canvas, scene: Scene) -> None:
    """Paint the sea down to the shore, or a lake with a few ripples."""
    if scene.place not in ("seaside", "lakeside"):
        return
    water = WATERS[scene.light]
    if scene.place == "seaside":
        top, low = scene.horizon * canvas.height, scene.shore * canvas.height
        side = canvas.width * 0.1
        box = [(-side, top), (canvas.width + side, top), (canvas.width + side, low), (-side, low)]
        canvas.fill(np.array(box), water, WATER, 90)
    else:
        middle = (scene.horizon + scene.shore) / 2 + 0.015
        tall = (scene.shore - scene.horizon) / 2 * canvas.height / canvas.unit
        wide = 0.62 * canvas.width / canvas.unit
        canvas.fill_ellipse((0.5, middle), (wide, tall * 0.95), water, WATER, 90)
    rng = np.random.default_rng((11, scene.seed))
    span = (scene.horizon + 0.03, scene.shore - 0.03)
    light = mix_colours(water, (255, 255, 255), 0.3)
    for x, y, r in rng.uniform((0.1, span[0], 0.04), (0.9, span[1], 0.09), (5, 3)):
        bar = [(-r, -0.006), (r, -0.006), (r, 0.006), (-r, 0.006)]
        canvas.fill(canvas.place_points(x, y, bar), light, WATER, 90, line=False)
    canvas.count(WATER)
