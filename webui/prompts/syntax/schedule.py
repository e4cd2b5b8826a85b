"""When a prompt says what: edits and alternations settled for each call of the network.

The older UI notes for each stretch the number of its last step, counted from 1, but compares it
with a counter of calls that starts at 0. So the first stretch is one call longer than written: in
`[a:b:5]` the text `a` serves calls 0 to 5, and in `[a|b]` the first option serves calls 0 and 1.
"""

from dataclasses import dataclass
from typing import NamedTuple

from webui.prompts.syntax.editing import Alternation, Edit, Tree, branches, parse, spoken


@dataclass(frozen=True)
class Span:
    """The calls that a prompt is spread over.

    Attributes:
        calls: network calls of the pass, steps times the sampler's calls for each step (2 for
            those of second order).
        first_calls: in a hires pass, the calls of the pass before; None in a first pass.
        old: count each pass from its own start, as the older UI before 1.6.
    """

    calls: int
    first_calls: int | None = None
    old: bool = False

    @property
    def length(self) -> int:
        """The calls that are planned; old timelines plan a hires pass like the first."""
        return self.first_calls if self.old and self.first_calls is not None else self.calls

    def last(self, when: str) -> int:
        """The last call, counted from 1, of what stands before `when`; 0 or less: none.

        With a decimal point `when` is a fraction, 1 to 2 in a hires pass; without, a number of
        calls that goes on through a hires pass. Old timelines take what is below 1 as a fraction.
        """
        value, hires = float(when), self.first_calls is not None
        if self.old:
            value = value * self.length if value < 1 else value
        elif "." in when:
            value = (value - hires) * self.length
        else:
            value -= self.first_calls or 0
        return int(max(min(value, self.length), -1))


class TextSegment(NamedTuple):
    """A text, and the last call (counted from 0) that it serves."""

    last_call: int
    text: str


def schedule(prompt: str, span: Span) -> tuple[TextSegment, ...]:
    """What a prompt says over the calls of a pass, at least one stretch; neighbours may be equal.

    Raises TooLarge for what no prompt is.
    """
    tree = parse(prompt)
    return tuple(TextSegment(end, settled(tree, end, span)) for end in _ends(tree, span))


def settled(tree: Tree, step: int, span: Span) -> str:
    """What a tree says at `step`, counted from 1."""

    def choose(node: Edit | Alternation) -> Tree:
        if isinstance(node, Alternation):
            return node.options[(step - 1) % len(node.options)]
        return (node.before or ()) if step <= span.last(node.when) else node.after

    return spoken(tree, choose)


def _ends(tree: Tree, span: Span) -> list[int]:
    """The last step of each stretch, counted from 1."""
    ends = {span.length}
    for node in branches(tree):
        if isinstance(node, Alternation):
            return list(range(1, span.length + 1))
        if (end := span.last(node.when)) >= 1:
            ends.add(end)
    return sorted(ends)
