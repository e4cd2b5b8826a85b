"""How large a prompt may be; a larger one is refused before any work is spent on it."""

from webui.errors import TooLarge

MOST_LETTERS = 100_000
"""As many as a field of the request holds."""

MOST_BRACKETS = 2_000
"""Opening brackets; each may nest in all before it, so work grows with their square."""


def check_size(text: str, field: str = "prompt.positive") -> None:
    """Raise TooLarge for a text that no prompt is."""
    if len(text) > MOST_LETTERS:
        raise TooLarge(field, f"The prompt has {len(text)} letters; {MOST_LETTERS} are allowed.")
    brackets = text.count("(") + text.count("[")
    if brackets > MOST_BRACKETS:
        raise TooLarge(field, f"The prompt has {brackets} brackets; {MOST_BRACKETS} are allowed.")
