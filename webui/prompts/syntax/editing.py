"""Edits and alternations as a tree that keeps every character of the prompt.

```
prompt      = { text | edit | alternation | bracket | ( ) [ ] : }
inner       = { text | edit | alternation | bracket }
edit        = "[" [ inner ":" ] inner ":" number "]"
alternation = "[" inner "|" inner { "|" inner } "]"
bracket     = "(" inner [ ":" inner ] ")"  |  "[" inner "]"
text        = one or more of: any sign but \\ [ ] ( ) : |  or  \\ and the sign after it
```

A bracket that fits no rule is text, and so is every bracket around it; what lies inside may still
be an edit. A bar outside an alternation, or a backslash with nothing after it, makes the whole
prompt text: the older UI's parser gave up there, and pictures depend on it.
"""

import re
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import NamedTuple, TypeAlias

from webui.prompts.syntax.limits import check_size

LEXEME = re.compile(r"(?:[^\\\[\]():|]+|\\.)+|[\[\]():|\\]")
NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
OPENER = {")": "(", "]": "["}
BAR = "|"

Node: TypeAlias = "str | Edit | Alternation"
Tree: TypeAlias = tuple[Node, ...]


class Edit(NamedTuple):
    """`[before:after:when]`; `before` is None in the short form `[after:when]`.

    `when` is the number as written, with the blanks around it, which belong to neither text.
    """

    before: Tree | None
    after: Tree
    when: str


class Alternation(NamedTuple):
    """`[a|b|c]`."""

    options: tuple[Tree, ...]


def parse(text: str) -> Tree:
    """Read a prompt; `source` gives it back. Work grows with its length.

    Any text is a prompt; only a far too long one is refused, with TooLarge.
    """
    check_size(text)
    whole: Tree = (text,) if text else ()
    stack = [_Frame("")]
    for match in LEXEME.finditer(text):
        lexeme = match.group()
        if lexeme == "\\":
            return whole
        if lexeme in OPENER.values():
            stack.append(_Frame(lexeme))
        elif lexeme in OPENER:
            made = stack[-1].closed(lexeme)
            if made is None:
                _loosen(stack)
                stack[0].add((lexeme,))
            else:
                stack.pop()
                stack[-1].add(made)
        elif lexeme in (":", BAR):
            stack[-1].divide(lexeme)
        else:
            stack[-1].add((lexeme,))
    _loosen(stack)
    return whole if BAR in stack[0].marks else stack[0].flat()


def source(tree: Tree) -> str:
    """The prompt that `parse` reads as this tree."""
    return spoken(tree, _pieces)


def spoken(tree: Tree, choose: Callable[[Edit | Alternation], Tree]) -> str:
    """The text of a tree with `choose`'s pick in the place of each edit and alternation."""
    said: list[str] = []
    waiting = list(reversed(tree))
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            said.append(node)
        else:
            waiting.extend(reversed(choose(node)))
    return "".join(said)


def branches(tree: Tree) -> Iterable[Edit | Alternation]:
    """Every edit and alternation, nested ones too."""
    waiting: list[Tree] = [tree]
    while waiting:
        for node in waiting.pop():
            if isinstance(node, Edit):
                yield node
                waiting += [node.before or (), node.after]
            elif isinstance(node, Alternation):
                yield node
                waiting += node.options


class _Frame:
    """A bracket that is open: its pieces, and the marks : and | between them."""

    def __init__(self, bracket: str) -> None:
        self.bracket = bracket
        self.pieces: list[list[Node]] = [[]]
        self.marks: list[str] = []

    def add(self, nodes: Iterable[Node]) -> None:
        self.pieces[-1].extend(nodes)

    def divide(self, mark: str) -> None:
        self.marks.append(mark)
        self.pieces.append([])

    def flat(self) -> Tree:
        """Bracket, pieces and marks in their order."""
        nodes: list[Node] = [self.bracket] if self.bracket else []
        for piece, mark in zip_longest(self.pieces, self.marks):
            nodes += piece
            nodes += [mark] if mark else []
        return tuple(nodes)

    def closed(self, mark: str) -> Tree | None:
        """What the bracket is when `mark` closes it; None where it fits no rule."""
        if OPENER[mark] != self.bracket:
            return None
        if not self.marks or (mark == ")" and self.marks == [":"]):
            return (*self.flat(), mark)
        if mark == ")":
            return None
        kinds = set(self.marks)
        if kinds == {BAR}:
            return (Alternation(tuple(map(tuple, self.pieces))),)
        return self._edit() if kinds == {":"} and len(self.marks) <= 2 else None

    def _edit(self) -> Tree | None:
        *texts, last = self.pieces
        when = last[0] if len(last) == 1 else ""
        if not isinstance(when, str) or not NUMBER.fullmatch(when):
            return None
        return (Edit(tuple(texts[0]) if len(texts) > 1 else None, tuple(texts[-1]), when),)


def _loosen(stack: list[_Frame]) -> None:
    """Take all open brackets for text: what they hold goes to the outermost level."""
    root, *frames = stack
    for frame in frames:
        root.add((frame.bracket,))
        for piece, mark in zip_longest(frame.pieces, frame.marks):
            root.add(piece)
            if mark:
                root.divide(mark)
    del stack[1:]


def _pieces(node: Edit | Alternation) -> Tree:
    """A branch as it is written."""
    if isinstance(node, Edit):
        before: Tree = () if node.before is None else (*node.before, ":")
        return ("[", *before, *node.after, ":", node.when, "]")
    nodes: list[Node] = []
    for option in node.options:
        nodes += [BAR if nodes else "[", *option]
    return (*nodes, "]")
