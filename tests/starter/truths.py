"""Scenes made to order, of which the truth is known: what an ideal model would draw."""

from dataclasses import replace

import numpy as np

from webui.starter.scenes import Scene, Thing, draw_scene
from webui.starter.scenes.world import draw_thing

SIZE = 128
STYLES = ("flat", "photo", "watercolor")


def make_scene(seed: int, kind: str = "", side: str = "", paint: str = "", **given: str) -> Scene:
    """A summer meadow by day in one of the coloured styles, bare or with one thing."""
    plain = {"place": "meadow", "season": "summer", "light": "day", "style": STYLES[seed % 3]}
    scene = draw_scene(seed)
    horizon = min(scene.horizon, 0.60) if kind else scene.horizon
    things = (make_thing(seed, kind, side, paint),) if kind else ()
    return replace(scene, **{**plain, **given}, things=things, horizon=horizon, stars=(), ridges=())


def make_thing(seed: int, kind: str, side: str = "", paint: str = "") -> Thing:
    """One thing where ``side`` says."""
    rng = np.random.default_rng((3, seed))
    slots = {"left": (0.22, 0.40), "middle": (0.46, 0.54), "right": (0.60, 0.78)}
    slot = slots.get(side, (0.22, 0.78))
    thing = draw_thing(rng, kind, np.array(slot), 1)
    return replace(thing, base=float(rng.uniform(0.78, 0.9)), paint=paint or thing.paint)
