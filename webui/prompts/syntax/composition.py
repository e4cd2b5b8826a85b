"""Composition by AND: several prompts steer one picture, each with its weight."""

import re

AND = re.compile(r"\bAND\b")
WEIGHT = re.compile(r"[-+]?(?:\d+\.?|\d*\.\d+)")


def compose(prompt: str) -> list[tuple[str, float]]:
    """The texts between the words AND, each with the weight that ends it, or 1.

    The weight is read without any AND too, as in the older UI: `time 10:30` is the text `time 10`
    with weight 30.
    """
    return [_weighed(part) for part in AND.split(prompt)]


def _weighed(part: str) -> tuple[str, float]:
    text = part.rstrip()
    head, colon, tail = text.rpartition(":")
    if colon and WEIGHT.fullmatch(number := tail.lstrip()):
        return head.rstrip(), float(number)
    return text, 1.0
