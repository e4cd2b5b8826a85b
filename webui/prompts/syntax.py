"""The attention syntax of prompts, as text only.

(word)       weight 1.1          [word]      weight 1 / 1.1
(word:1.3)   weight 1.3          ((word))    brackets multiply
BREAK        ends the chunk      \\( \\) \\[ \\] \\\\   the character itself
"""

import math
import re
from typing import NamedTuple

ROUND = 1.1
SQUARE = 1 / 1.1
BREAK = "BREAK"
BREAK_WEIGHT = -1.0
"""A run of text `BREAK` with this weight is the mark; anything else spells the word."""

TOKEN = re.compile(
    r"""
      \\(?P<literal>[()\[\]\\])            # an escaped bracket or backslash
    | \\                                   # any other backslash is dropped
    | (?P<open>[(\[])
    | :\s*(?P<weight>[+-]?[.\d]+)\s*\)     # the weight that closes a round bracket
    | (?P<close>[)\]])
    | (?P<text>[^\\()\[\]:]+ | :)
    """,
    re.VERBOSE,
)
BREAKS = re.compile(r"\s*\bBREAK\b\s*", re.DOTALL)


class Run(NamedTuple):
    """A stretch of prompt whose words all have one weight."""

    text: str
    weight: float


def parse_attention(text: str) -> list[tuple[str, float]]:
    """Split a prompt into runs of equal weight; a break is the run ("BREAK", -1).

    Brackets that are never closed count as closed at the end, stray closing ones are text. A
    weight that is no number, as in `(x:1..2)`, is text as well.
    """
    runs: list[Run] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for match in TOKEN.finditer(text):
        kind = match.lastgroup
        token = match.group()
        if kind == "open":
            opened[token].append(len(runs))
        elif kind == "weight" and opened["("] and (weight := _number(match["weight"])) is not None:
            _multiply(runs, opened["("].pop(), weight)
        elif token == ")" and opened["("]:
            _multiply(runs, opened["("].pop(), ROUND)
        elif token == "]" and opened["["]:
            _multiply(runs, opened["["].pop(), SQUARE)
        elif token.startswith("\\"):
            runs.append(Run(match["literal"] or "", 1.0))
        else:
            runs += _split_at_breaks(token)
    for start in opened["("]:
        _multiply(runs, start, ROUND)
    for start in opened["["]:
        _multiply(runs, start, SQUARE)
    return [(run.text, run.weight) for run in _merged(runs)] or [("", 1.0)]


def escape(text: str) -> str:
    """The prompt that means `text` literally, without weights."""
    return re.sub(r"([()\[\]\\])", r"\\\1", text)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _multiply(runs: list[Run], start: int, factor: float) -> None:
    """Weigh every run since `start`, marks included, as the older UI does.

    A break inside a weighted bracket thereby loses its mark and becomes the word.
    """
    runs[start:] = [Run(run.text, run.weight * factor) for run in runs[start:]]


def _split_at_breaks(text: str) -> list[Run]:
    """Text and marks in turn; the empty texts between keep neighbouring marks apart."""
    runs: list[Run] = []
    for index, part in enumerate(BREAKS.split(text)):
        if index > 0:
            runs.append(Run(BREAK, BREAK_WEIGHT))
        runs.append(Run(part, 1.0))
    return runs


def _merged(runs: list[Run]) -> list[Run]:
    """Neighbours of equal weight joined: their words may make tokens together."""
    merged: list[Run] = []
    for run in runs:
        if merged and merged[-1].weight == run.weight:
            merged[-1] = Run(merged[-1].text + run.text, run.weight)
        else:
            merged.append(run)
    return merged
