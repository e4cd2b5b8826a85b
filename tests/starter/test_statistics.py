"""The statistics of the evaluation, on scenes of which the truth is known."""

import numpy as np
import pytest

from tests.starter.truths import SIZE, make_scene
from webui.starter.evaluate import pairs
from webui.starter.evaluate.inpainting import find_share, list_regions
from webui.starter.evaluate.pairs import measure_pairs
from webui.starter.evaluate.plan import Plan
from webui.starter.evaluate.statistics import (
    agree_layout,
    compare_scores,
    match_edges,
    root_distance,
    skin_share,
)
from webui.starter.evaluate.studio import Studio
from webui.starter.scenes import Scene, find_edges, render_scene

SEEDS = 32
TRUTHS: dict[str, dict[str, str]] = {
    pairs.DAY: {"kind": "house"},
    pairs.NIGHT: {"kind": "house", "light": "night"},
    pairs.SUNSET: {"kind": "house", "light": "sunset"},
    pairs.WINTER: {"kind": "house", "season": "winter"},
    pairs.SKETCH: {"kind": "house", "style": "sketch"},
    pairs.PAINTING: {"kind": "house", "style": "watercolor"},
    pairs.RED: {"kind": "house", "paint": "red"},
    pairs.BLUE: {"kind": "house", "paint": "blue"},
    pairs.YELLOW: {"kind": "house", "paint": "yellow"},
    pairs.EMPTY: {},
    pairs.PERSON: {"kind": "person"},
    pairs.TREE: {"kind": "oak"},
    pairs.LAKE: {"place": "lakeside"},
    pairs.LEFT: {"kind": "house", "side": "left"},
    pairs.RIGHT: {"kind": "house", "side": "right"},
}


class IdealStudio(Studio):
    """Draws every prompt as the scene that it means."""

    def __init__(self) -> None:
        """Need no checkpoint."""

    def draw_prompt(self, prompt: str, seeds: int, **settings: float) -> np.ndarray:
        """Render scenes; each prompt has its own."""
        first = 1000 * list(TRUTHS).index(prompt)
        return render([make_scene(first + seed, **TRUTHS[prompt]) for seed in range(seeds)])


def render(scenes: list[Scene], size: int = SIZE) -> np.ndarray:
    return np.stack([render_scene(scene, size).picture for scene in scenes])


def test_each_pair_tells_rendered_scenes_apart() -> None:
    found = measure_pairs(IdealStudio(), Plan(seeds=SEEDS))
    assert len(found.rows) == 11
    for row in found.rows:
        assert row.value is not None
        assert row.value > 0.97, row


@pytest.mark.parametrize("kind", ["house", "oak", "pine"])
def test_skin_tells_people_from_other_things(kind: str) -> None:
    people = render([make_scene(seed, "person") for seed in range(SEEDS)])
    others = render([make_scene(500 + seed, kind) for seed in range(SEEDS)])
    assert compare_scores(skin_share(people), skin_share(others), 0.002) > 0.97


def test_chance_and_ties_count_half() -> None:
    same = np.ones(5)
    assert compare_scores(same, same) == 0.5
    assert compare_scores(same * 2, same) == 1.0
    assert compare_scores(same * 1.05, same, margin=0.1) == 0.5


def test_edges_are_matched_within_two_pixels() -> None:
    line, near, far = (np.zeros((32, 32), np.uint8) for _ in range(3))
    line[10], near[12], far[20] = 255, 255, 255
    assert match_edges(line, near) == 1.0
    assert match_edges(line, far) == 0.0
    assert match_edges(line, np.zeros_like(line)) == 0.0


def test_a_scene_keeps_its_layout_from_day_to_night() -> None:
    scenes = [make_scene(seed, "house") for seed in range(8)]
    days = render(scenes, 256)
    nights = render([make_scene(seed, "house", light="night") for seed in range(8)], 256)
    own = [agree_layout(day, night) for day, night in zip(days, nights, strict=True)]
    others = np.roll(nights, 1, 0)
    wrong = [agree_layout(day, night) for day, night in zip(days, others, strict=True)]
    assert np.mean(own) > 2.0 * np.mean(wrong)


def test_distance_grows_with_noise() -> None:
    pictures = render([make_scene(seed, "house") for seed in range(4)]).astype(np.float32)
    noise = np.random.default_rng(0).standard_normal(pictures.shape)
    steps = [root_distance(pictures + level * noise, pictures) for level in (0, 5, 20)]
    assert (np.diff(steps, axis=0) > 0).all()


def test_inpainted_colours_are_seen_where_they_are_and_only_there() -> None:
    night, lake, house = list_regions()
    bare = [make_scene(seed) for seed in range(SEEDS)]
    truths = {
        night.prompt: [make_scene(seed, light="night") for seed in range(SEEDS)],
        house.prompt: [make_scene(seed, "house", "middle", "red") for seed in range(SEEDS)],
    }
    for region in (night, house):
        there = find_share(region, render(truths[region.prompt], 256)) >= region.share
        assert there.mean() > 0.97, region.prompt
    for region in (night, lake, house):
        assert not (find_share(region, render(bare, 256)) >= region.share).any(), region.prompt
    sea = render([make_scene(seed, place="seaside") for seed in range(8)], 256)
    assert lake.finds(sea).mean() > 0.1


def test_canny_edges_of_two_unlike_scenes_agree_little() -> None:
    pictures = render([make_scene(seed, "house") for seed in range(6)], 256)
    edges = [find_edges(picture) for picture in pictures]
    wrong = [match_edges(edges[i], edges[i - 1]) for i in range(6)]
    assert np.mean(wrong) < 0.5
