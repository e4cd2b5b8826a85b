"""ControlNets: do edges, depth and poses come out where they were shown?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from webui.starter.conditions import draw_poses, spread
from webui.starter.evaluate.plan import Plan
from webui.starter.evaluate.report import Findings, Row, Strip, share_row, waiting_row
from webui.starter.evaluate.sampling import SIZE, Job, round_trip
from webui.starter.evaluate.sources import find_scenes
from webui.starter.evaluate.statistics import (
    is_grass,
    is_sky,
    match_edges,
    stretch_contrast,
)
from webui.starter.evaluate.studio import Studio
from webui.starter.gallery import HELD_OUT
from webui.starter.scenes import (
    Rendering,
    Scene,
    find_edges,
    find_pose,
    render_scene,
    write_caption,
)
from webui.starter.scenes.backdrop import FIRST_THING

PART = "controls"
FIGURE = "a person in a red shirt in a meadow in summer by day"
COVERED, CLEARER = 0.5, 0.3
SHOWN = 4

Finder = Callable[[np.ndarray], np.ndarray]
"""From a picture [h, w, rgb] to its edges [h, w]."""


@dataclass(frozen=True)
class Shown:
    """Scenes that are shown to a ControlNet, rendered, with their captions."""

    scenes: list[Scene]
    made: list[Rendering]
    captions: tuple[str, ...]

    @property
    def pictures(self) -> np.ndarray:
        """Stack the pictures [n, h, w, rgb]."""
        return np.stack([made.picture for made in self.made])


def measure_controls(studio: Studio, plan: Plan) -> Findings:
    """Measure each ControlNet that is there."""
    parts = (
        ("canny", measure_canny),
        ("depth", measure_depth),
        ("openpose", measure_poses),
    )
    rows: list[Row] = []
    strips: list[Strip] = []
    for name, measure in parts:
        if not studio.has_control(name):
            rows.append(waiting_row(PART, f"ControlNet {name}"))
            continue
        found = measure(studio, plan)
        rows += found.rows
        strips += found.strips
    return Findings(rows, strips)


def gather_shown(count: int) -> Shown:
    """Gather held-out scenes in which something stands."""
    scenes = find_scenes(count, lambda scene: bool(scene.things), HELD_OUT + 80_000)
    made = [render_scene(scene, SIZE) for scene in scenes]
    captions = tuple(
        write_caption(scene, one.shown, np.random.default_rng(scene.seed))
        for scene, one in zip(scenes, made, strict=True)
    )
    return Shown(scenes, made, captions)


def draw_both(
    studio: Studio, name: str, prompts: tuple[str, ...], maps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw prompts with the ControlNet ``name`` shown ``maps``, and without any."""
    plain = Job(prompts, tuple(range(len(prompts))))
    led = studio.draw(f"{name} with its unit", replace(plain, control=name, maps=maps))
    return led, studio.draw(f"{name} without", plain)


def measure_canny(studio: Studio, plan: Plan) -> Findings:
    """Compare the edges of results with the edges shown."""
    shown = gather_shown(plan.controlled)
    wanted = [find_edges(picture) for picture in shown.pictures]
    maps = np.stack([spread(edges) for edges in wanted])
    led, free = draw_both(studio, "canny", shown.captions, maps)
    ceiling = round_trip(studio.networks, shown.pictures)
    scores = [mean_match(made, wanted, find_edges) for made in (led, free, ceiling)]
    told = f"F1 {scores[0]:.2f}, ceiling {scores[2]:.2f}"
    share = scores[0] / max(scores[2], 1e-9)
    over = scores[0] / max(scores[1], 1e-9)
    rows = [
        share_row(PART, "canny: edge F1, share of the ceiling", share, 0.6, 0.8, told),
        Row(PART, "canny: over no unit", f"{over:.2f}x", over, 1.5, 2.0, "x"),
    ]
    strip = np.concatenate((maps[:SHOWN], led[:SHOWN]))
    return Findings(rows, [Strip("canny: maps, results", strip)])


def measure_depth(studio: Studio, plan: Plan) -> Findings:
    """Compare the edges of results with the outlines in the depth maps shown."""
    shown = gather_shown(plan.controlled)
    wanted = [cv2.Canny(one.depth, 40, 80) for one in shown.made]
    maps = np.stack([spread(one.depth) for one in shown.made])
    led, free = draw_both(studio, "depth", shown.captions, maps)
    ceiling = round_trip(studio.networks, shown.pictures)
    scores = [mean_match(made, wanted, find_clear_edges) for made in (led, free, ceiling)]
    told = f"F1 {scores[0]:.2f}, ceiling {scores[2]:.2f}, no unit {scores[1]:.2f}"
    share = scores[0] / max(scores[2], 1e-9)
    row = share_row(PART, "depth: outlines, share of the ceiling", share, None, 0.8, told)
    strip = np.concatenate((maps[:SHOWN], led[:SHOWN]))
    return Findings([row], [Strip("depth: maps, results", strip)])


def find_clear_edges(picture: np.ndarray) -> np.ndarray:
    """Find edges whatever the light."""
    return find_edges(stretch_contrast(picture))


def mean_match(pictures: np.ndarray, wanted: list[np.ndarray], find: Finder) -> float:
    """Tell the mean F1 of the edges that ``find`` sees in pictures."""
    scores = [match_edges(find(one), edges) for one, edges in zip(pictures, wanted, strict=True)]
    return float(np.mean(scores))


def measure_poses(studio: Studio, plan: Plan) -> Findings:
    """Count figures that stand where their pose was shown, the words telling no pose."""
    scenes = find_scenes(plan.posed, has_clear_figure, HELD_OUT + 90_000)
    maps = np.stack([draw_poses(find_pose(scene, SIZE), SIZE, SIZE) for scene in scenes])
    masks = [find_figure(scene) for scene in scenes]
    led, free = draw_both(studio, "openpose", (FIGURE,) * len(scenes), maps)
    hits, chance = (float(np.mean(stand_there(made, masks))) for made in (led, free))
    row = share_row(
        PART, "openpose: figure where the pose is", hits, None, 0.8, f"{chance:.0%} without"
    )
    strip = np.concatenate((maps[:SHOWN], led[:SHOWN]))
    return Findings([row], [Strip("openpose: maps, results", strip)])


def has_clear_figure(scene: Scene) -> bool:
    """Tell whether a scene shows one person and nothing else."""
    return [thing.kind for thing in scene.things] == ["person"] and scene.style != "watercolor"


def find_figure(scene: Scene) -> np.ndarray:
    """Find the figure's pixels [h, w] bool."""
    return render_scene(scene, SIZE).ids == FIRST_THING


def stand_there(pictures: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """Tell [n] where the mask is covered by something, and what is around it much less."""
    foreign = ~(is_grass(pictures) | is_sky(pictures))
    hits: list[bool] = []
    for found, mask in zip(foreign, masks, strict=True):
        area = mask.astype(np.uint8)
        near, far = (cv2.dilate(area, np.ones((width, width), np.uint8)) > 0 for width in (11, 41))
        covered = float(found[mask].mean())
        hits.append(covered > COVERED and covered - float(found[far & ~near].mean()) > CLEARER)
    return np.array(hits)
