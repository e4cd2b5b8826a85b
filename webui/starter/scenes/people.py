"""People: drawn from the very points that ``find_pose`` tells."""

from __future__ import annotations

import numpy as np

from webui.starter.scenes.brush import Brush, Points
from webui.starter.scenes.palette import PIGMENTS, shade_colour
from webui.starter.scenes.poses import list_joints
from webui.starter.scenes.world import Thing

NECK = 1
SHOULDERS, HIPS, KNEES = (2, 5), (8, 11), (9, 12)


def is_woman(thing: Thing) -> bool:
    """Tell whether a person has long hair and a dress."""
    return thing.variant < 0.5


def paint_person(brush: Brush) -> None:
    """Paint legs, a shirt or a dress, arms, a head and hair."""
    joints = list_joints(brush.thing)
    cloth, skin = PIGMENTS[brush.thing.paint], PIGMENTS["skin"]
    woman = is_woman(brush.thing)
    if brush.thing.pose == "sitting":
        brush.fill([(-0.17, 0.0), (0.17, 0.0), (0.14, -0.27), (-0.14, -0.27)], PIGMENTS["rock"])
    for start in HIPS:
        leg = PIGMENTS["skin"] if woman else PIGMENTS["trousers"]
        brush.stroke(pick_points(joints, start), 0.05, leg)
    paint_trunk(brush, joints, woman)
    for start in SHOULDERS:
        arm = pick_points(joints, start)
        brush.stroke(arm[1:], 0.036, skin)
        sleeve = [*arm[:2], middle(arm[1], arm[2])]
        brush.stroke(sleeve, 0.045, shade_colour(cloth, 0.9), "wall")
    paint_head(brush, joints, woman)


def pick_points(joints: np.ndarray, start: int) -> Points:
    """Pick the three points of a limb."""
    return [(float(x), float(y)) for x, y in joints[start : start + 3]]


def middle(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Find the point half way."""
    return ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)


def paint_trunk(brush: Brush, joints: np.ndarray, woman: bool) -> None:
    """Paint the shirt from the shoulders to the hips, or a dress down to the knees."""
    cloth = PIGMENTS[brush.thing.paint]
    shoulders = sorted((float(joints[i, 0]), float(joints[i, 1])) for i in SHOULDERS)
    hips = sorted((float(joints[i, 0]), float(joints[i, 1])) for i in HIPS)
    top, low = shoulders[0][1] - 0.035, hips[0][1] + 0.04
    wide, waist = 0.15, 0.12
    shirt: Points = [(-wide, top + 0.03), (-0.07, top), (0.07, top), (wide, top + 0.03)]
    if woman:
        knees = sorted((float(joints[i, 0]), float(joints[i, 1])) for i in KNEES)
        hem = max(knees[0][1], knees[1][1]) - 0.02
        left, right = min(knees[0][0] - 0.07, -0.17), max(knees[1][0] + 0.07, 0.17)
        shirt += [(0.105, low - 0.14), (right, hem), (left, hem), (-0.105, low - 0.14)]
    else:
        shirt += [(waist, low), (-waist, low)]
    brush.fill(shirt, cloth, "wall")


def paint_head(brush: Brush, joints: np.ndarray, woman: bool) -> None:
    """Paint the neck, the face around the nose, and short or long hair."""
    x, y = float(joints[0, 0]), float(joints[0, 1])
    hair = PIGMENTS["hair"]
    if woman:
        brush.fill_round(x, y - 0.005, 0.125, 0.135, hair)
        brush.fill_box(x - 0.125, y + 0.14, 0.25, 0.14, hair)
    brush.stroke(
        [(x, y), (float(joints[NECK, 0]), float(joints[NECK, 1]))], 0.035, PIGMENTS["skin"]
    )
    brush.fill_round(x, y, 0.088, 0.105, PIGMENTS["skin"])
    high, wide = y - 0.035, 0.098
    cap: Points = [(x - wide, high), (x - wide * 0.9, y - 0.09), (x - 0.05, y - 0.135)]
    cap += [(x + 0.05, y - 0.135), (x + wide * 0.9, y - 0.09), (x + wide, high)]
    brush.fill(cap, hair)
