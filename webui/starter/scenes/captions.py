"""Captions: only what shows in the picture, in many phrasings."""

from __future__ import annotations

import numpy as np

from webui.starter.scenes import words
from webui.starter.scenes.subjects import Voice, name_subject
from webui.starter.scenes.world import Scene

FILLER_SHARE = 0.25


def write_caption(scene: Scene, shown: frozenset[str], rng: np.random.Generator) -> str:
    """Describe ``scene`` by what is ``shown``, as a sentence, a list of tags or in brief."""
    voice = Voice(rng)
    form = rng.random()
    if form < 0.45:
        caption = write_sentence(scene, shown, voice)
    elif form < 0.80:
        caption = ", ".join(list_tags(scene, shown, voice))
    else:
        caption = write_brief(scene, shown, voice)
    return add_filler(caption, voice)


def write_sentence(scene: Scene, shown: frozenset[str], voice: Voice) -> str:
    """Write '<style> of <things> <place> <season> <light>, <extras>'."""
    styled = must_name_style(scene) or voice.says()
    opening = voice.pick(words.STYLE_SENTENCES[scene.style]) if styled else ""
    turns = []
    if scene.things and voice.says(0.7) and place_shows(scene, shown):
        turns.append(voice.pick(words.PLACE_SENTENCES[scene.place]))
    if season_shows(scene) and voice.says():
        turns.append(voice.pick(words.SEASON_SENTENCES[scene.season]))
    if light_shows(scene) and voice.says():
        turns.append(voice.pick(words.LIGHT_SENTENCES[scene.light]))
    body = [opening, name_subject(scene, shown, voice, True), *voice.shuffle(turns)]
    sentence = " ".join(part for part in body if part)
    extras = [voice.pick(words.EXTRAS[e]) for e in list_extras(scene, shown) if voice.says(0.4)]
    return ", ".join([sentence, *extras])


def list_tags(scene: Scene, shown: frozenset[str], voice: Voice) -> list[str]:
    """List everything as tags, the things mostly first."""
    tags = []
    if must_name_style(scene) or voice.says():
        tags.append(voice.pick(words.STYLE_TAGS[scene.style]))
    if light_shows(scene) and voice.says():
        tags.append(voice.pick(words.LIGHT_TAGS[scene.light]))
    if season_shows(scene) and voice.says():
        tags.append(voice.pick(words.SEASON_TAGS[scene.season]))
    if scene.things and voice.says(0.6) and place_shows(scene, shown):
        tags.append(voice.pick(words.PLACE_TAGS[scene.place]))
    tags += [voice.pick(words.EXTRAS[e]) for e in list_extras(scene, shown) if voice.says(0.4)]
    first = name_subject(scene, shown, voice, voice.says(0.5))
    tags = [first, *voice.shuffle(tags)] if voice.says(0.8) else voice.shuffle([first, *tags])
    return [tag for tag in tags if tag]


def write_brief(scene: Scene, shown: frozenset[str], voice: Voice) -> str:
    """Name the things and one or two conditions, as people do who just try something."""
    conditions = []
    if light_shows(scene):
        conditions.append(voice.pick(words.LIGHT_TAGS[scene.light]))
    if season_shows(scene):
        conditions.append(voice.pick(words.SEASON_TAGS[scene.season]))
    style = voice.pick(words.STYLE_TAGS[scene.style])
    kept = voice.shuffle([*conditions, style])[: 1 + int(voice.says(0.5))]
    if must_name_style(scene) and style not in kept:
        kept.append(style)
    first = name_subject(scene, shown, voice, voice.says(0.4))
    return ", ".join(part for part in (first, *kept) if part)


def list_extras(scene: Scene, shown: frozenset[str]) -> list[str]:
    """List the extras that show: sun or moon, clouds, stars, mountains, water."""
    extras = [name for name in ("clouds", "stars", "mountains") if name in shown]
    if "water" in shown and scene.place == "lakeside":
        blue = scene.light == "day" and scene.style != "sketch"
        extras.append("blue water" if blue else "water")
    if "orb" in shown:
        extras.append("moon" if scene.light == "night" else "sun")
    return extras


def must_name_style(scene: Scene) -> bool:
    """Tell whether the style may not be left out: plain words must not come to mean a sketch."""
    return scene.style == "sketch"


def place_shows(scene: Scene, shown: frozenset[str]) -> bool:
    """Tell whether what makes the place can be seen."""
    needs = {"lakeside": "water", "seaside": "water", "mountains": "mountains"}
    return scene.place not in needs or needs[scene.place] in shown


def season_shows(scene: Scene) -> bool:
    """Tell whether the season can be seen: not in sketches, deserts or on beaches."""
    return scene.style != "sketch" and scene.place not in ("desert", "seaside")


def light_shows(scene: Scene) -> bool:
    """Tell whether the light can be seen: not in a sketch."""
    return scene.style != "sketch"


def add_filler(caption: str, voice: Voice) -> str:
    """Add quality words to some captions and unrelated words to a quarter of them."""
    before, after = [], []
    for _ in range(int(voice.rng.integers(1, 4)) if voice.says(0.4) else 0):
        (before if voice.says(0.4) else after).append(voice.pick(words.QUALITY))
    for _ in range(int(voice.rng.integers(1, 4)) if voice.says(FILLER_SHARE) else 0):
        (before if voice.says(0.3) else after).append(voice.pick(words.FILLERS))
    return ", ".join(part for part in (*before, caption, *after) if part)
