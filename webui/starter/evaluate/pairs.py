"""Pairs of prompts: what must be greater in the pictures of the first, for the same seeds."""

from __future__ import annotations

from dataclasses import dataclass

from webui.starter.evaluate import statistics
from webui.starter.evaluate.plan import Plan
from webui.starter.evaluate.report import Findings, Row, Strip, share_row
from webui.starter.evaluate.statistics import Score, compare_scores, subtract
from webui.starter.evaluate.studio import Studio

PART = "pairs"
DAY = "a house in a meadow in summer by day"
NIGHT = "a house in a meadow in summer at night"
SUNSET = "a house in a meadow in summer at sunset"
WINTER = "a house in a meadow in winter by day"
SKETCH = "a pencil sketch of a house and a tree"
PAINTING = "a painting of a house and a tree"
RED = "a red house in a meadow by day"
BLUE = "a blue house in a meadow by day"
YELLOW = "a yellow house in a meadow by day"
EMPTY = "an empty meadow in summer by day"
PERSON = "a person in a meadow in summer by day"
TREE = "a tree in a meadow in summer by day"
LAKE = "a lake in summer by day"
LEFT = "a house on the left in a meadow in summer by day"
RIGHT = "a house on the right in a meadow in summer by day"
SHOWN = 8


@dataclass(frozen=True)
class Pair:
    """Two prompts, a score that must be greater for the first, and how often it has to be.

    Only a difference above ``margin`` is one, at most half of what is usual between rendered
    scenes: a trace of the thing asked for is not the thing.
    """

    name: str
    more: str
    less: str
    score: Score
    margin: float
    floor: float = 0.75
    target: float = 0.92


def list_pairs() -> tuple[Pair, ...]:
    """List the pairs: first what the whole picture is like, then what stands in it."""
    red_or_blue = subtract(statistics.red_share, statistics.blue_share)
    yellow_or_red = subtract(statistics.yellow_share, statistics.red_share)
    return (
        Pair("day / night", DAY, NIGHT, statistics.brightness, 10, 0.95, 0.99),
        Pair("painting / pencil sketch", PAINTING, SKETCH, statistics.saturation, 10, 0.95, 0.99),
        Pair("winter / summer", WINTER, DAY, statistics.ground_brightness, 10, 0.95, 0.99),
        Pair("sunset / day", SUNSET, DAY, statistics.sky_warmth, 10, 0.95, 0.99),
        Pair("red / blue house", RED, BLUE, red_or_blue, 0.1),
        Pair("yellow / red house", YELLOW, RED, yellow_or_red, 0.1),
        Pair("with / without house", DAY, EMPTY, statistics.covered_ground, 0.06),
        Pair("with / without person", PERSON, EMPTY, statistics.skin_share, 0.002),
        Pair("with / without tree", TREE, EMPTY, statistics.raised_green, 0.01),
        Pair("with / without lake", LAKE, EMPTY, statistics.water_share, 0.05),
        Pair("house right / left", RIGHT, LEFT, statistics.lean_right, 0.15),
    )


def measure_pairs(studio: Studio, plan: Plan) -> Findings:
    """Draw every prompt once for each seed and compare each pair."""
    pairs = list_pairs()
    prompts = dict.fromkeys(prompt for pair in pairs for prompt in (pair.more, pair.less))
    drawn = {prompt: studio.draw_prompt(prompt, plan.seeds) for prompt in prompts}
    rows: list[Row] = []
    for pair in pairs:
        more, less = pair.score(drawn[pair.more]), pair.score(drawn[pair.less])
        note = f"means {more.mean():.3g} and {less.mean():.3g}"
        share = compare_scores(more, less, pair.margin)
        rows.append(share_row(PART, pair.name, share, pair.floor, pair.target, note))
    strips = [Strip(prompt, pictures[:SHOWN]) for prompt, pictures in drawn.items()]
    return Findings(rows, strips)
