"""Captions: only what shows in the picture, in many phrasings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from webui.starter.scenes import words
from webui.starter.scenes.world import Scene, Thing

DROP = 0.10
FILLER_SHARE = 0.25


class Voice:
    """A random speaker: picks words and decides what to leave unsaid."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Speak by ``rng``."""
        self.rng = rng

    def pick(self, choices: Sequence[str]) -> str:
        """Pick one of ``choices``."""
        return choices[int(self.rng.integers(len(choices)))]

    def says(self, chance: float = 1.0 - DROP) -> bool:
        """Decide whether to mention something."""
        return bool(self.rng.random() < chance)

    def shuffle(self, parts: list[str]) -> list[str]:
        """Return ``parts`` in a random order."""
        return [parts[i] for i in self.rng.permutation(len(parts))]


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
    if voice.says(0.7) and place_shows(scene, shown):
        turns.append(voice.pick(words.PLACE_SENTENCES[scene.place]))
    if season_shows(scene) and voice.says():
        turns.append(voice.pick(words.SEASON_SENTENCES[scene.season]))
    if light_shows(scene) and voice.says():
        turns.append(voice.pick(words.LIGHT_SENTENCES[scene.light]))
    body = [opening, name_things(scene, shown, voice, True), *voice.shuffle(turns)]
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
    if voice.says(0.6) and place_shows(scene, shown):
        tags.append(voice.pick(words.PLACE_TAGS[scene.place]))
    tags += [voice.pick(words.EXTRAS[e]) for e in list_extras(scene, shown) if voice.says(0.4)]
    first = name_things(scene, shown, voice, voice.says(0.5))
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
    first = name_things(scene, shown, voice, voice.says(0.4))
    return ", ".join(part for part in (first, *kept) if part)


def name_things(scene: Scene, shown: frozenset[str], voice: Voice, articles: bool) -> str:
    """Name the things that show, those of one kind together, in random order."""
    groups: dict[str, list[Thing]] = {}
    for index, thing in enumerate(scene.things):
        if f"thing{index}" in shown:
            groups.setdefault(thing.kind, []).append(thing)
    phrases = [name_group(scene, group, voice, articles) for group in groups.values()]
    phrases = voice.shuffle(phrases)
    if not articles:
        return ", ".join(phrases)
    if len(phrases) < 3:
        return voice.pick((" and ", " and ", " with ")).join(phrases)
    return f"{phrases[0]}, {phrases[1]} and {phrases[2]}"


def name_group(scene: Scene, group: list[Thing], voice: Voice, articles: bool) -> str:
    """Name one thing, or two or three of a kind."""
    kind, thing = group[0].kind, group[0]
    noun = voice.pick(words.NOUNS[kind])
    if len(group) > 1:
        count = "two" if len(group) == 2 else "three"
        return f"{count} {words.PLURALS.get(noun, noun + 's')}"
    coloured = scene.style != "sketch" and bool(thing.paint) and voice.says()
    if coloured and kind == "house":
        noun = f"{thing.paint} {noun}"
    elif coloured and kind == "person":
        noun += voice.pick((" in a {} shirt", " in {}", " wearing a {} shirt")).format(thing.paint)
    elif coloured and kind == "boat":
        noun += voice.pick((" with a {} sail", " with {} sails")).format(thing.paint)
    if not articles:
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def list_extras(scene: Scene, shown: frozenset[str]) -> list[str]:
    """List the extras that show: sun or moon, clouds, stars, mountains, water."""
    extras = [name for name in ("clouds", "stars", "mountains") if name in shown]
    if "water" in shown and scene.place == "lakeside":
        extras.append("water")
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
    """Tell whether the light can be seen: in a sketch only the night is."""
    return scene.style != "sketch" or scene.light == "night"


def add_filler(caption: str, voice: Voice) -> str:
    """Add quality words to some captions and unrelated words to a quarter of them."""
    before, after = [], []
    for _ in range(int(voice.rng.integers(1, 4)) if voice.says(0.4) else 0):
        (before if voice.says(0.4) else after).append(voice.pick(words.QUALITY))
    for _ in range(int(voice.rng.integers(1, 4)) if voice.says(FILLER_SHARE) else 0):
        (before if voice.says(0.3) else after).append(voice.pick(words.FILLERS))
    return ", ".join(part for part in (*before, caption, *after) if part)
