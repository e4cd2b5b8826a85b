"""What the evaluation starts from: held-out scenes of a kind, and photographs."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from webui.starter.evaluate.sampling import SIZE
from webui.starter.gallery import HELD_OUT
from webui.starter.scenes import Scene, draw_scene, render_scene
from webui.starter.scenes.words import PLACE_SENTENCES, STYLE_SENTENCES

PHOTOS = (
    "astronaut",
    "brick",
    "camera",
    "cat",
    "clock",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "moon",
    "rocket",
)


def find_scenes(count: int, fits: Callable[[Scene], bool], first: int = HELD_OUT) -> list[Scene]:
    """Find the first ``count`` held-out scenes that fit."""
    found: list[Scene] = []
    seed = first
    while len(found) < count:
        scene = draw_scene(seed)
        if fits(scene):
            found.append(scene)
        seed += 1
    return found


def render_all(scenes: list[Scene]) -> np.ndarray:
    """Render scenes to pictures [n, 256, 256, rgb] uint8."""
    return np.stack([render_scene(scene, SIZE).picture for scene in scenes])


def is_single(scene: Scene, kind: str) -> bool:
    """Tell whether a scene shows one thing, of ``kind``, by day and in colour."""
    kinds = [thing.kind for thing in scene.things]
    return kinds == [kind] and scene.light == "day" and scene.style != "sketch"


def is_bare_meadow(scene: Scene) -> bool:
    """Tell whether a scene is an empty summer meadow by day, in colour."""
    summer = scene.place == "meadow" and scene.season == "summer" and scene.light == "day"
    return summer and not scene.things and not scene.ridges and scene.style != "sketch"


def describe_place(scene: Scene, subject: str, style: str = "") -> str:
    """Write a plain prompt: a style (the scene's own by default), a subject, the place."""
    opening = STYLE_SENTENCES[style or scene.style][0]
    return f"{opening} {subject} {PLACE_SENTENCES[scene.place][0]}"


def load_photos() -> np.ndarray | None:
    """Load scikit-image's photographs [n, 256, 256, rgb] uint8; None where it is missing."""
    try:
        from skimage import data  # noqa: PLC0415 - only the evaluation wants it
    except ImportError:
        return None
    return np.stack([fit_photo(getattr(data, name)()) for name in PHOTOS])


def fit_photo(photo: np.ndarray) -> np.ndarray:
    """Cut the middle square out of a photograph and shrink it to 256 pixels."""
    if photo.ndim == 2:
        photo = np.repeat(photo[..., None], 3, 2)
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = photo[top : top + side, left : left + side, :3]
    return cv2.resize(square, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
