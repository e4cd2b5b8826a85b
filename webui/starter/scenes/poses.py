"""Poses of people as the 18 points of OpenPose, which are the points the figures are drawn from.

Order: nose, neck, right shoulder, elbow, wrist, left shoulder, elbow, wrist, right hip, knee,
ankle, left hip, knee, ankle, right eye, left eye, right ear, left ear. Right is the person's
right; people face the viewer, so it lies on the left of the picture.
"""

from __future__ import annotations

import numpy as np

from webui.starter.scenes.finishes import find_shift
from webui.starter.scenes.world import Scene, Thing

Point = tuple[float, float]

HEAD: tuple[Point, ...] = ((-0.035, -0.925), (0.035, -0.925), (-0.07, -0.905), (0.07, -0.905))
TRUNK: tuple[Point, ...] = ((0.0, -0.895), (0.0, -0.77))
SHOULDER, HIP = (0.125, -0.755), (0.075, -0.43)
HANGING: tuple[Point, Point] = ((0.185, -0.60), (0.205, -0.43))
STRAIGHT: tuple[Point, Point] = ((0.085, -0.22), (0.09, -0.02))
# Elbow and wrist, knee and ankle, first of the right side (negative x), then of the left.
ARMS: dict[str, tuple[tuple[Point, Point], tuple[Point, Point]]] = {
    "standing": (HANGING, HANGING),
    "raised": (((0.225, -0.91), (0.21, -1.10)), ((0.225, -0.91), (0.21, -1.10))),
    "waving": (HANGING, ((0.25, -0.85), (0.29, -1.06))),
    "out": (((0.285, -0.75), (0.44, -0.74)), ((0.285, -0.75), (0.44, -0.74))),
    "walking": (((0.20, -0.60), (0.31, -0.48)), ((0.19, -0.59), (0.30, -0.70))),
    "sitting": (HANGING, ((0.19, -0.58), (0.30, -0.47))),
}
LEGS: dict[str, tuple[tuple[Point, Point], tuple[Point, Point]]] = {
    "walking": (((0.14, -0.23), (0.27, -0.04)), ((0.16, -0.24), (0.22, -0.02))),
    "sitting": (((-0.20, -0.40), (-0.23, -0.15)), ((0.27, -0.40), (0.30, -0.15))),
}
SEAT_DROP = 0.13


def list_joints(thing: Thing) -> np.ndarray:
    """List the points [18, xy] of a person in units of its size, around its foot."""
    arms = ARMS[thing.pose]
    legs = LEGS.get(thing.pose, (STRAIGHT, STRAIGHT))
    right = [SHOULDER, *arms[0]], [HIP, *legs[0]]
    left = [SHOULDER, *arms[1]], [HIP, *legs[1]]
    points = [
        *TRUNK,
        *((-x, y) for x, y in right[0]),
        *left[0],
        *((-x, y) for x, y in right[1]),
        *left[1],
        *HEAD,
    ]
    joints = np.array(points)
    if thing.pose == "sitting":
        joints[:, 1] += SEAT_DROP
    return mirror_joints(joints) if is_mirrored(thing) else joints


def is_mirrored(thing: Thing) -> bool:
    """Tell whether a person's pose is turned to the other side."""
    return (2.0 * thing.variant) % 1.0 < 0.5


def mirror_joints(joints: np.ndarray) -> np.ndarray:
    """Turn points [18, xy] to the other side; each keeps its place in the order."""
    order = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
    return joints[order] * (-1.0, 1.0)


def find_pose(scene: Scene, width: int, height: int | None = None) -> list[np.ndarray]:
    """Find the people of ``scene``: one [18, 3] array each, x and y in pixels and 1 or 0.

    The last number is 0 for a point outside the picture. People come in the order of
    ``scene.things``, far ones first, whether or not something hides them.
    """
    height = height or width
    found = []
    for thing in scene.things:
        if thing.kind != "person":
            continue
        foot = np.array((thing.x * width, thing.base * height))
        spots = list_joints(thing) * thing.size * min(width, height) + foot
        spots = spots - find_shift(scene, spots, width, height)
        inside = ((spots >= 0) & (spots < (width, height))).all(1)
        found.append(np.column_stack((spots, inside.astype(float))))
    return found
