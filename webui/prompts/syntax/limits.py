"""How large a prompt may be; a larger one is refused before any work is spent on it."""

from webui.errors import TooLarge

MOST_LETTERS = 100_000
"""As many as a field of the request holds."""

MOST_MARKS = 10_000
"""Brackets, colons, bars and backslashes together."""

MOST_OPENED = 1_000
"""Opening brackets; each may nest in all before it, so work grows with their square."""


def check_size(text: str, field: str = "prompt.positive") -> None:
    """Raise TooLarge for a text that no prompt is."""
    opened = text.count("(") + text.count("[")
    marks = opened + sum(map(text.count, ")]:|\\"))
    counted = (
        ("letters", len(text), MOST_LETTERS),
        ("opening brackets", opened, MOST_OPENED),
        ("brackets and other marks", marks, MOST_MARKS),
    )
    for name, count, most in counted:
        if count > most:
            raise TooLarge(field, f"The prompt has {count} {name}; {most} are allowed.")
