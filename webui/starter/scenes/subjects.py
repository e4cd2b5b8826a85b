"""What a caption is about: the things that show and where they are, or the bare land."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from webui.starter.scenes import words
from webui.starter.scenes.people import is_woman
from webui.starter.scenes.world import Scene, Thing

DROP = 0.10
SIDE_SHARE = 0.55  # of scenes of one thing; some of them are neither left, right nor middle
PAIR_SHARE = 0.42
POSE_SHARE = 0.65
LEFT_BELOW, RIGHT_ABOVE, MIDDLE_WITHIN = 0.40, 0.60, 0.06
APART = 0.2


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


def name_subject(scene: Scene, shown: frozenset[str], voice: Voice, articles: bool) -> str:
    """Name the things that show, with their places now and then, or the bare land."""
    seen = [thing for i, thing in enumerate(scene.things) if f"thing{i}" in shown]
    if not scene.things:
        return name_land(scene, shown, voice, articles)
    whole = len(seen) == len(scene.things)
    if whole and len(seen) == 1:
        return name_single(scene, seen[0], voice, articles)
    if whole and len(seen) == 2 and seen[0].kind != seen[1].kind and voice.says(PAIR_SHARE):
        return name_pair(scene, (seen[0], seen[1]), voice, articles)
    trees = {"oak", "pine"}
    if whole and len(seen) > 1 and {thing.kind for thing in seen} <= trees and voice.says(0.6):
        return add_article(voice.pick(words.FOREST), articles)
    return name_groups(scene, seen, voice, articles)


def name_land(scene: Scene, shown: frozenset[str], voice: Voice, articles: bool) -> str:
    """Name a landscape in which no thing stands."""
    if scene.light == "night" and voice.says(0.35):
        stars = "stars" in shown and voice.says(0.5)
        return add_article(voice.pick(words.STARRY_SKY if stars else words.NIGHT_SKY), articles)
    noun = voice.pick(words.EMPTY[scene.place])
    if voice.says(0.25):
        noun = f"empty {noun}"
    ridges = "mountains" in shown and scene.place == "lakeside" and voice.says(0.5)
    phrase = add_article(noun, articles)
    return f"{phrase} in the mountains" if ridges else phrase


def name_single(scene: Scene, thing: Thing, voice: Voice, articles: bool) -> str:
    """Name the only thing there is, with its side in some captions."""
    phrase = add_article(name_thing(scene, thing, voice), articles)
    if thing.pose == "standing" and voice.says(0.35):
        phrase = voice.pick(words.ALONE).format(phrase)
        return add_article(phrase, articles)
    side = find_side(thing)
    if not side or not voice.says(SIDE_SHARE):
        return phrase
    where = voice.pick(words.SIDES[side])
    return phrase + ("" if articles and voice.says(0.7) else ",") + " " + where


def name_pair(scene: Scene, pair: tuple[Thing, Thing], voice: Voice, articles: bool) -> str:
    """Tell which of two things stands left and which right."""
    first, second = sorted(pair, key=lambda thing: thing.x)
    sides = ("left", "right")
    if voice.says(0.5):
        first, second, sides = second, first, ("right", "left")
    one = add_article(name_thing(scene, first, voice), articles)
    two = add_article(name_thing(scene, second, voice), articles)
    if abs(first.x - second.x) > APART and voice.says(0.5):
        return f"{one} {voice.pick(words.BESIDE[sides[0]])} {two}"
    join = " and " if articles else ", "
    return join.join(
        f"{phrase} {voice.pick(words.SIDES[side])}"
        for phrase, side in zip((one, two), sides, strict=True)
    )


def name_groups(scene: Scene, seen: list[Thing], voice: Voice, articles: bool) -> str:
    """Name things in random order, those of one kind together."""
    groups: dict[str, list[Thing]] = {}
    for thing in seen:
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
    if len(group) == 1:
        return add_article(name_thing(scene, group[0], voice), articles)
    kind = group[0].kind
    if kind == "house" and voice.says(0.6):
        return add_article(voice.pick(words.VILLAGE), articles)
    noun = voice.pick(words.NOUNS[kind])
    count = "two" if len(group) == 2 else "three"
    return f"{count} {words.PLURALS.get(noun, noun + 's')}"


def name_thing(scene: Scene, thing: Thing, voice: Voice) -> str:
    """Name one thing with its colour and its pose, without an article."""
    kind = thing.kind
    if kind == "person":
        kind = "woman" if is_woman(thing) else "man"
    noun = voice.pick(words.NOUNS[kind])
    coloured = scene.style != "sketch" and bool(thing.paint) and voice.says()
    if coloured and kind == "house":
        noun = voice.pick(words.HOUSE_PAINT).format(paint=thing.paint, noun=noun)
    elif coloured and kind == "boat":
        noun += voice.pick((" with a {} sail", " with {} sails")).format(thing.paint)
    elif coloured and thing.kind == "person":
        noun += voice.pick(words.CLOTHES[kind]).format(thing.paint)
    if thing.pose and voice.says(POSE_SHARE):
        noun += " " + voice.pick(words.POSES[thing.pose])
    return noun


def find_side(thing: Thing) -> str:
    """Tell where a thing is: left, right or middle; empty in between."""
    if thing.x < LEFT_BELOW:
        return "left"
    if thing.x > RIGHT_ABOVE:
        return "right"
    return "middle" if abs(thing.x - 0.5) < MIDDLE_WITHIN else ""


def add_article(noun: str, articles: bool) -> str:
    """Put an article before ``noun`` where ``articles`` are wanted and the noun takes one."""
    if not articles or noun.endswith(words.MASSES):
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
