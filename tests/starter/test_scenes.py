"""The procedural world: same seed, same scene, and captions that tell the truth."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from webui.starter.scenes import Rendering, Scene, draw_scene, render_scene, write_caption
from webui.starter.scenes.backdrop import FIRST_THING, MOUNTAIN, ORB, WATER
from webui.starter.scenes.words import NOUNS

CLAIMS = {
    "house": r"\b(house|cottage|cabin|home)\b",
    "person": r"\b(person|man|woman|figure)\b",
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


@pytest.mark.parametrize("style", ["flat", "photo", "watercolor", "oil", "sketch"])
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
                if re.search(rf"\b{paint}\b(?! sky)", caption):
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
    assert kinds == set(NOUNS)


def test_a_quarter_of_the_captions_carries_unrelated_words() -> None:
    from webui.starter.scenes.words import FILLERS

    scene = draw_scene(1)
    shown = render_scene(scene, 48).shown
    rng = np.random.default_rng(5)
    unrelated = {word for word in FILLERS if word not in ("green", "golden")}
    hits = [bool(unrelated & set(write_caption(scene, shown, rng).split(", "))) for _ in range(600)]
    assert 0.18 < np.mean(hits) < 0.32
