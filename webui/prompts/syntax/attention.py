"""Attention: brackets that weigh words.

(word)       weight 1.1          [word]      weight 1 / 1.1
(word:1.3)   weight 1.3          ((word))    brackets multiply
BREAK        ends the chunk      \\( \\) \\[ \\] \\\\   the character itself
"""

import math
import re
from itertools import groupby
from operator import itemgetter

from webui.prompts.syntax.limits import check_size

ROUND = 1.1
SQUARE = 1 / 1.1
BREAK = "BREAK"
BREAK_WEIGHT = -1.0
"""A run of text `BREAK` with this weight is the mark; anything else spells the word."""

LARGEST = 1e30
"""Weights stay below it, so that no product is infinite."""

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
BREAKS = re.compile(r"\bBREAK\b")


class _Runs:
    """Texts and their weights side by side, so that weighing touches nothing but numbers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.weights: list[float] = []

    def __len__(self) -> int:
        return len(self.texts)

    def add(self, text: str, weight: float = 1.0) -> None:
        self.texts.append(text)
        self.weights.append(weight)

    def multiply(self, start: int, factor: float) -> None:
        """Weigh every run since `start`, marks included, as the older UI does.

        A break inside a weighted bracket thereby loses its mark and becomes the word.
        """
        self.weights[start:] = [weight * factor for weight in self.weights[start:]]

    def add_with_breaks(self, text: str) -> None:
        """Add text and marks in turn, without the blanks around a mark.

        The empty texts between keep neighbouring marks apart.
        """
        first, *others = BREAKS.split(text)
        self.add(first.rstrip() if others else first)
        for index, part in enumerate(others, 1):
            self.add(BREAK, BREAK_WEIGHT)
            self.add(part.lstrip() if index == len(others) else part.strip())

    def merged(self) -> list[tuple[str, float]]:
        """Neighbours of equal weight joined: their words may make tokens together."""
        pairs = zip(self.texts, self.weights, strict=True)
        return [
            ("".join(text for text, _ in group), _bounded(weight))
            for weight, group in groupby(pairs, key=itemgetter(1))
        ]


def parse_attention(text: str) -> list[tuple[str, float]]:
    """Split a prompt into runs of equal weight; a break is the run ("BREAK", -1).

    Brackets that are never closed count as closed at the end, stray closing ones are text. A
    weight that is no number, as in `(x:1..2)`, is text as well. Raises TooLarge for what no prompt
    is.
    """
    check_size(text)
    runs = _Runs()
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for match in TOKEN.finditer(text):
        kind = match.lastgroup
        token = match.group()
        if kind == "open":
            opened[token].append(len(runs))
        elif kind == "weight" and opened["("] and (weight := _number(match["weight"])) is not None:
            runs.multiply(opened["("].pop(), weight)
        elif token == ")" and opened["("]:
            runs.multiply(opened["("].pop(), ROUND)
        elif token == "]" and opened["["]:
            runs.multiply(opened["["].pop(), SQUARE)
        elif token.startswith("\\"):
            runs.add(match["literal"] or "")
        else:
            runs.add_with_breaks(token)
    for start in opened["("]:
        runs.multiply(start, ROUND)
    for start in opened["["]:
        runs.multiply(start, SQUARE)
    return runs.merged() or [("", 1.0)]


def escape(text: str) -> str:
    """The prompt that means `text` literally, without weights."""
    return re.sub(r"([()\[\]\\])", r"\\\1", text)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bounded(weight: float) -> float:
    """A weight that multiplies without harm; an endless one times nothing is nothing."""
    return 0.0 if math.isnan(weight) else max(min(weight, LARGEST), -LARGEST)
