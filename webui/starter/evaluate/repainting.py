"""img2img: distance to the source by strength, and prompts that turn a picture around."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from webui.starter.evaluate import statistics
from webui.starter.evaluate.plan import Plan
from webui.starter.evaluate.report import Findings, Row, Strip, share_row
from webui.starter.evaluate.sampling import Job
from webui.starter.evaluate.sources import (
    describe_place,
    find_scenes,
    is_single,
    load_photos,
    render_all,
)
from webui.starter.evaluate.statistics import Score, agree_layout, root_distance
from webui.starter.evaluate.studio import Studio
from webui.starter.gallery import HELD_OUT
from webui.starter.scenes import Scene, render_scene, write_caption

PART = "img2img"
STRENGTHS = (0.2, 0.4, 0.6, 0.8)
TURNING = (0.6, 0.7, 0.8, 0.9)
TAKEN = 0.75
SHOWN = 8
NO_PHOTOS = "scikit-image is missing: scenes alone; `pip install scikit-image` adds photographs"


@dataclass(frozen=True)
class Turn:
    """A prompt that changes a source: from what, to what, and how one sees that it did."""

    name: str
    fits: Callable[[Scene], bool]
    change: Callable[[Scene], Scene]
    prompt: Callable[[Scene], str]
    score: Score


def list_turns() -> tuple[Turn, Turn]:
    """List the two turns: day to night, sketch to painting."""

    def is_sketch(scene: Scene) -> bool:
        return scene.style == "sketch" and [t.kind for t in scene.things] == ["house"]

    return (
        Turn(
            "day to night",
            lambda scene: is_single(scene, "house"),
            lambda scene: replace(scene, light="night"),
            lambda scene: f"{describe_place(scene, 'a house')} at night",
            statistics.brightness,
        ),
        Turn(
            "sketch to painting",
            is_sketch,
            lambda scene: replace(scene, style="watercolor"),
            lambda scene: f"{describe_place(scene, 'a house', 'watercolor')} by day",
            statistics.saturation,
        ),
    )


def measure_repainting(studio: Studio, plan: Plan) -> Findings:
    """Measure both."""
    growing = measure_growth(studio, plan)
    turned = [measure_turn(studio, plan, turn) for turn in list_turns()]
    rows = [*growing.rows, *(row for found in turned for row in found.rows)]
    strips = [*growing.strips, *(strip for found in turned for strip in found.strips)]
    return Findings(rows, strips)


def gather_sources(plan: Plan) -> tuple[np.ndarray, list[str], str]:
    """Gather sources [n, h, w, rgb], a prompt for each, and a note on what they are."""
    photos = load_photos()
    note = NO_PHOTOS
    taken: list[np.ndarray] = []
    if photos is not None:
        taken = list(photos[: plan.photos])
        note = f"{len(taken)} photographs among {plan.sources} sources"
    scenes = find_scenes(plan.sources - len(taken), lambda scene: True, HELD_OUT + 20_000)
    prompts = [
        write_caption(scene, render_scene(scene, 64).shown, np.random.default_rng(scene.seed))
        for scene in scenes
    ]
    pictures = np.stack([*taken, *render_all(scenes)])
    return pictures, [*["a photo"] * len(taken), *prompts], note


def measure_growth(studio: Studio, plan: Plan) -> Findings:
    """Tell for which share of sources the distance grows with every strength."""
    sources, prompts, note = gather_sources(plan)
    job = Job(tuple(prompts), tuple(range(len(prompts))), sources=sources)
    made = [
        studio.draw(f"img2img at {strength}", replace(job, strength=strength))
        for strength in STRENGTHS
    ]
    distances = np.stack([root_distance(pictures, sources) for pictures in made])
    growing = float((np.diff(distances, axis=0) > 0).all(0).mean())
    told = ", ".join(f"{mean:.1f}" for mean in distances.mean(1))
    name = "img2img: distance grows over .2 .4 .6 .8"
    row = share_row(PART, name, growing, 0.95, 0.99, f"means {told}; {note}")
    chosen = np.linspace(0, len(sources) - 1, 3).astype(int)
    strips = [
        Strip(
            f"img2img, source and {STRENGTHS}: {prompts[index][:60]}",
            np.stack([sources[index], *(pictures[index] for pictures in made)]),
        )
        for index in chosen
    ]
    return Findings([row], strips)


def measure_turn(studio: Studio, plan: Plan, turn: Turn) -> Findings:
    """Find the strength where the prompt takes hold, and how much layout is left there."""
    scenes = find_scenes(plan.turned, turn.fits, HELD_OUT + 40_000)
    sources, goals = render_all(scenes), render_all([turn.change(scene) for scene in scenes])
    before, after = turn.score(sources), turn.score(goals)
    prompts = tuple(turn.prompt(scene) for scene in scenes)
    job = Job(prompts, tuple(range(len(scenes))), sources=sources)
    shares: dict[float, float] = {}
    made: dict[float, np.ndarray] = {}
    for strength in TURNING:
        made[strength] = studio.draw(f"{turn.name} at {strength}", replace(job, strength=strength))
        moved = (turn.score(made[strength]) - before) / (after - before)
        shares[strength] = float((moved > 0.5).mean())
    taken = next((s for s in TURNING if shares[s] >= TAKEN), None)
    held = taken or TURNING[-1]
    ratio = compare_layouts(made[held], sources)
    told = f"{ratio:.2f}x at strength {held}"
    if taken is None:
        told += f" (the prompt takes hold in {shares[held]:.0%} only)"
        ratio = 0.0
    row = Row(PART, f"{turn.name}, layout kept", told, ratio, 1.5, 2.0, "x")
    strips = [
        Strip(f"{turn.name}: sources", sources[:SHOWN]),
        Strip(f"{turn.name} at {held}", made[held][:SHOWN]),
    ]
    return Findings([row], strips)


def compare_layouts(made: np.ndarray, sources: np.ndarray) -> float:
    """Divide the edge agreement with the own source by that with all the wrong ones."""
    agreed = np.array([[agree_layout(one, other) for other in sources] for one in made])
    own = np.eye(len(made), dtype=bool)
    return float(agreed[own].mean() / max(agreed[~own].mean(), 1e-9))
