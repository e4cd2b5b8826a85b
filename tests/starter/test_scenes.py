"""The procedural world: same seed, same scene, and captions that tell the truth."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from webui.starter.scenes import (
    Rendering,
    Scene,
    draw_scene,
    find_edges,
    find_pose,
    render_scene,
    write_caption,
)
from webui.starter.scenes.backdrop import FIRST_THING, MOUNTAIN, ORB, WATER
from webui.starter.scenes.words import NOUNS

CLAIMS = {
    "house": r"\b(house|cottage|cabin|home|village)\b",
    "person": r"\b(person|man|woman|figure|girl|boy|portrait)\b",
    "boat": r"\b(boat|sailboat|ship)\b",
    "cactus": r"\bcactus\b",
    "palm": r"\bpalm\b",
}


def show_scenes(count: int, size: int = 64) -> Iterator[tuple[Scene, Rendering]]:
    for seed in range(count):
        scene = draw_scene(seed)
        yield scene, render_scene(scene, size)


def describe(scene: Scene, made: Rendering, seed: int) -> str:
    """A caption before quality and filler words, which promise nothing."""
    from webui.starter.scenes import captions

    voice = captions.Voice(np.random.default_rng(seed))
    write = (captions.write_sentence, captions.write_brief)[seed % 2]
    return write(scene, made.shown, voice)


def test_the_same_seed_draws_the_same_scene_picture_and_caption() -> None:
    for seed in (0, 7, 4_000_123):
        first, second = draw_scene(seed), draw_scene(seed)
        assert first == second
        one, two = render_scene(first, 64), render_scene(second, 64)
        assert np.array_equal(one.picture, two.picture)
        assert np.array_equal(one.ids, two.ids)
        assert np.array_equal(one.depth, two.depth)
        texts = [write_caption(first, one.shown, np.random.default_rng(seed)) for _ in range(2)]
        assert texts[0] == texts[1]


def test_different_seeds_draw_different_scenes() -> None:
    assert len({replace(draw_scene(seed), seed=0) for seed in range(50)}) == 50


@pytest.mark.parametrize("style", ["flat", "photo", "watercolor", "sketch"])
def test_a_scene_is_the_same_at_every_size(style: str) -> None:
    scenes = [scene for scene in map(draw_scene, range(60)) if scene.style == style][:4]
    for scene in scenes:
        small, large = render_scene(scene, 64), render_scene(scene, 256)
        shrunk = large.picture.reshape(64, 4, 64, 4, 3).mean((1, 3))
        assert np.abs(shrunk - small.picture).mean() < 9
        assert (large.ids[::4, ::4] == small.ids).mean() > 0.93


def test_a_picture_need_not_be_square() -> None:
    made = render_scene(draw_scene(3), 96, 64)
    assert made.picture.shape == (64, 96, 3)
    assert made.ids.shape == made.depth.shape == (64, 96)


def test_captions_name_only_things_that_can_be_seen() -> None:
    for scene, made in show_scenes(250):
        kinds = {
            thing.kind
            for index, thing in enumerate(scene.things)
            if (made.ids == FIRST_THING + index).mean() > 0.002
        }
        for seed in range(4):
            caption = describe(scene, made, seed)
            for kind, words in CLAIMS.items():
                if re.search(words, caption):
                    assert kind in kinds, (scene.seed, caption)
            if re.search(r"\b(moon|sun)\b", caption):
                assert (made.ids == ORB).any(), (scene.seed, caption)
            if "mountains" in caption:
                assert (made.ids == MOUNTAIN).any(), (scene.seed, caption)
            if re.search(r"\b(lake|sea|ocean|water|beach)\b", caption):
                assert (made.ids == WATER).any(), (scene.seed, caption)


def test_captions_count_and_colour_things_truly() -> None:
    for scene, made in show_scenes(250):
        paints = {thing.paint for thing in scene.things}
        for seed in range(4):
            caption = describe(scene, made, seed)
            for paint in ("red", "blue", "yellow", "purple"):
                if re.search(rf"\b{paint}\b(?! (sky|lake|water))", caption):
                    assert paint in paints, (scene.seed, caption)
            for count, word in ((2, "two"), (3, "three")):
                if re.search(rf"\b{word}\b", caption):
                    kinds = [thing.kind for thing in scene.things]
                    assert max(kinds.count(kind) for kind in kinds) >= count


def test_the_time_of_day_is_never_told_wrongly() -> None:
    for scene, made in show_scenes(150):
        for seed in range(4):
            caption = describe(scene, made, seed)
            if re.search(r"\b(night|midnight|moon|stars)\b", caption):
                assert scene.light == "night"
            if re.search(r"\b(day|daytime|daylight)\b", caption):
                assert scene.light == "day"
            if re.search(r"\b(sunset|dusk|evening)\b", caption):
                assert scene.light == "sunset"


def test_night_is_clearly_darker_than_day_but_not_black() -> None:
    means: dict[str, list[float]] = {"day": [], "night": []}
    for scene, made in show_scenes(200):
        if scene.style != "sketch" and scene.light in means:
            means[scene.light].append(float(made.picture.mean()))
    assert np.median(means["day"]) - np.median(means["night"]) > 60
    assert max(means["night"]) < np.median(means["day"])
    assert min(means["night"]) > 40


def test_a_house_is_at_least_a_third_of_the_picture_wide() -> None:
    houses = [t for seed in range(400) for t in draw_scene(seed).things if t.kind == "house"]
    assert len(houses) > 50
    assert min(thing.size for thing in houses) > 1 / 3


def test_depth_grows_towards_the_viewer() -> None:
    for scene, made in show_scenes(40):
        sky, foot = made.depth[0].mean(), made.depth[-1].mean()
        assert sky < 60 < foot, scene.seed


def test_a_sketch_is_always_called_one() -> None:
    from webui.starter.scenes.words import STYLE_SENTENCES, STYLE_TAGS

    names = (*STYLE_SENTENCES["sketch"], *STYLE_TAGS["sketch"])
    for scene, made in show_scenes(120):
        if scene.style == "sketch":
            for seed in range(6):
                caption = write_caption(scene, made.shown, np.random.default_rng(seed))
                assert any(name in caption for name in names), caption


def test_every_kind_of_thing_has_a_name() -> None:
    kinds = {thing.kind for seed in range(300) for thing in draw_scene(seed).things}
    assert kinds - {"person"} == set(NOUNS) - {"man", "woman"}
    assert "person" in kinds


def test_a_quarter_of_the_captions_carries_unrelated_words() -> None:
    from webui.starter.scenes.words import FILLERS

    scene = draw_scene(1)
    shown = render_scene(scene, 48).shown
    rng = np.random.default_rng(5)
    hits = [
        bool(set(FILLERS) & set(write_caption(scene, shown, rng).split(", "))) for _ in range(600)
    ]
    assert 0.18 < np.mean(hits) < 0.32


def test_left_right_and_middle_are_told_truly_and_often() -> None:
    told = 0
    for scene, made in show_scenes(300):
        for seed in range(4):
            caption = write_caption(scene, made.shown, np.random.default_rng(seed))
            sides = set(re.findall(r"\b(left|right|middle)\b", caption))
            told += bool(sides)
            if len(scene.things) == 1 and sides:
                x = scene.things[0].x
                assert sides == {"left" if x < 0.4 else "right" if x > 0.6 else "middle"}
            if sides:
                assert len(scene.things) in (1, 2)
    assert 0.25 < told / 1200 < 0.45


def test_two_things_are_told_apart_by_their_sides() -> None:
    hits = 0
    for scene, made in show_scenes(300):
        kinds = {thing.kind: thing.x for thing in scene.things}
        if len(scene.things) != 2 or set(kinds) != {"house", "person"}:
            continue
        for seed in range(12):
            caption = describe(scene, made, 2 * seed)
            found = re.search(r"(left|right) of an? (.*)", caption)
            if found:
                hits += 1
                first_is_house = not re.search(CLAIMS["house"], found[2])
                gap = (kinds["house"] - kinds["person"]) * (1 if first_is_house else -1)
                assert (gap < 0) == (found[1] == "left"), caption
    assert hits > 10


def test_some_scenes_are_bare_and_say_so() -> None:
    bare = [(scene, made) for scene, made in show_scenes(300) if not scene.things]
    assert 0.07 < len(bare) / 300 < 0.17
    for scene, made in bare:
        for seed in range(4):
            caption = describe(scene, made, seed)
            assert not any(re.search(words, caption) for words in CLAIMS.values()), caption
            assert re.search(
                r"meadow|field|landscape|countryside|lake|mountain|desert|beach|sea|ocean|sky",
                caption,
            ), caption


def test_a_forest_is_trees_alone_and_a_village_has_two_houses() -> None:
    for scene, made in show_scenes(400):
        kinds = [thing.kind for thing in scene.things]
        for seed in range(4):
            caption = describe(scene, made, seed)
            if re.search(r"\b(forest|woods)\b", caption):
                assert set(kinds) <= {"oak", "pine"}
                assert len(kinds) > 1
            if "village" in caption:
                assert kinds.count("house") > 1


def test_people_are_painted_around_the_points_of_their_pose() -> None:
    poses = set()
    for scene, made in show_scenes(500, 128):
        people = [i for i, thing in enumerate(scene.things) if thing.kind == "person"]
        found = find_pose(scene, 128)
        assert len(found) == len(people)
        for index, points in zip(people, found, strict=True):
            assert points.shape == (18, 3)
            if f"thing{index}" not in made.shown or index != len(scene.things) - 1:
                continue
            poses.add(scene.things[index].pose)
            inside = points[points[:, 2] > 0, :2].astype(int)
            hits = made.ids[inside[:, 1], inside[:, 0]] == FIRST_THING + index
            assert hits.all(), (scene.seed, np.flatnonzero(~hits))
    assert poses == {"standing", "raised", "waving", "out", "walking", "sitting"}


def test_a_pose_is_the_same_at_every_size_and_shape() -> None:
    scenes = [
        s for s in map(draw_scene, range(200)) if find_pose(s, 64) and s.style != "watercolor"
    ]
    for scene in scenes[:20]:
        for small, large in zip(find_pose(scene, 64), find_pose(scene, 256), strict=True):
            assert np.allclose(small[:, :2] * 4, large[:, :2])
        made = render_scene(scene, 96, 128)
        assert all(len(points) == 18 for points in find_pose(scene, 96, 128))
        assert made.ids.shape == (128, 96)


def test_raised_hands_are_above_the_head_and_waving_lifts_one() -> None:
    lifted = {"raised": 2, "waving": 1, "standing": 0, "sitting": 0, "walking": 0, "out": 0}
    for scene in map(draw_scene, range(300)):
        people = [thing for thing in scene.things if thing.kind == "person"]
        for thing, points in zip(people, find_pose(replace(scene, style="flat"), 256), strict=True):
            assert (points[[4, 7], 1] < points[0, 1]).sum() == lifted[thing.pose]


def test_edges_are_canny_edges_of_the_picture() -> None:
    made = render_scene(draw_scene(12), 128)
    edges = find_edges(made.picture)
    assert edges.shape == (128, 128)
    assert set(np.unique(edges)) == {0, 255}


def test_there_are_no_sketches_of_the_night() -> None:
    assert {s.light for s in map(draw_scene, range(400)) if s.style == "sketch"} == {"day"}
