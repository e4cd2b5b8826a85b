"""What in a prompt is likely not meant: the traps of a language that never complains."""

import re
from collections.abc import Iterator, Mapping, Sequence

from webui.prompts.layout import Layout
from webui.prompts.syntax import (
    BREAK,
    BREAK_WEIGHT,
    Edit,
    Span,
    SpokenPart,
    cut_tags,
    parse,
    parse_attention,
    strip_comments,
)
from webui.prompts.syntax.composition import AND
from webui.prompts.syntax.editing import branches

LOOKS_EDITED = re.compile(r"\[[^\[\]]*:[^\[\]:]*\d\s*\]|\[[^\[\]]*\|[^\[\]]*\]")
"""What a person takes for an edit or an alternation."""


def doubts(
    prompt: str,
    negative: bool,
    passes: Sequence[Sequence[SpokenPart]],
    spans: Sequence[Span],
    layouts: Mapping[str, Layout],
) -> Iterator[str]:
    """Sentences about a prompt, each thing said once."""
    text = strip_comments(prompt)
    yield from _about_negative(text) if negative else _about_positive(text, passes[0])
    for part in passes[0]:
        yield from _about_edits(part.text, spans)
    if any(_spells_break(text) for text in layouts):
        yield "BREAK inside a weighted bracket does not end the chunk; it is read as a word."
    if dropped := max(layout.dropped for layout in layouts.values()):
        yield f"The old emphasis implementation has one chunk: the last {dropped} tokens are lost."


def _about_negative(text: str) -> Iterator[str]:
    if tags := cut_tags(text)[1]:
        yield f"{tags[0].source} is only text in a negative prompt."
    if AND.search(text):
        yield "AND is only a word in a negative prompt."


def _about_positive(text: str, parts: Sequence[SpokenPart]) -> Iterator[str]:
    for tag in cut_tags(text)[1]:
        if tag.fault:
            yield tag.fault
        if tag.ignored:
            yield f"{', '.join(tag.ignored)} in {tag.source} means nothing here and is ignored."
    if len(parts) == 1 and parts[0].weight != 1:
        yield (
            f"The number at the end is read as the weight of the whole prompt: {parts[0].weight:g}."
        )


def _about_edits(text: str, spans: Sequence[Span]) -> Iterator[str]:
    tree = parse(text)
    edits = list(branches(tree))
    if not edits and LOOKS_EDITED.search(text):
        yield (
            "Nothing in this prompt is an edit or an alternation: a bar | outside of [a|b], a "
            "backslash at the end, or a bracket that does not fit keeps all of it as it is."
        )
    for edit in edits:
        if isinstance(edit, Edit) and all(_is_late(edit, span) for span in spans):
            yield f"The edit at {edit.when.strip()} never happens: it lies after the last step."


def _is_late(edit: Edit, span: Span) -> bool:
    """Whether a pass ends before the edit; the text before it serves one call more than it says."""
    return span.last(edit.when) >= max(span.length - 1, 1)


def _spells_break(text: str) -> bool:
    return any(run == BREAK and weight != BREAK_WEIGHT for run, weight in parse_attention(text))
