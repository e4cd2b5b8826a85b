"""Comments in a prompt: from # to the end of the line."""

import re

WHOLE_LINE = re.compile(r"(?:\A|\n)#[^\n]*(?:\n|\Z)")
REST_OF_LINE = re.compile(r"#[^\n]*(?:\n|\Z)")


def strip_comments(text: str) -> str:
    """The prompt without its comments; each leaves a line end in its place, but not at the ends.

    Every # begins one, inside a word too: the older UI has no way to write the sign itself.
    """
    if "#" not in text:
        return text
    return REST_OF_LINE.sub("\n", WHOLE_LINE.sub("\n", text)).strip()
