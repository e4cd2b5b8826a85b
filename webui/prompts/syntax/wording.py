"""A whole prompt read: what its parts say over the calls, and the networks it asks for."""

from dataclasses import dataclass

from webui.prompts.syntax.comments import strip_comments
from webui.prompts.syntax.composition import compose
from webui.prompts.syntax.limits import check_size
from webui.prompts.syntax.networks import NetworkTag, cut_tags
from webui.prompts.syntax.schedule import Span, TextSegment, schedule


@dataclass(frozen=True)
class SpokenPart:
    """One prompt of a composition: its text as written, its weight, and what it says when."""

    text: str
    weight: float
    segments: tuple[TextSegment, ...]


@dataclass(frozen=True)
class Wording:
    """What a prompt says; an ordinary one has a single part."""

    parts: tuple[SpokenPart, ...]
    networks: tuple[NetworkTag, ...] = ()


def word(prompt: str, span: Span, negative: bool = False) -> Wording:
    """Read a prompt down to the texts that are weighed and tokenized.

    A negative prompt knows edits and alternations, but neither tags nor AND. Raises TooLarge for
    what no prompt is.
    """
    check_size(prompt, "prompt.negative" if negative else "prompt.positive")
    text = strip_comments(prompt)
    if negative:
        return Wording((SpokenPart(text, 1.0, schedule(text, span)),))
    text, networks = cut_tags(text)
    parts = tuple(SpokenPart(part, weight, schedule(part, span)) for part, weight in compose(text))
    return Wording(parts, networks)
