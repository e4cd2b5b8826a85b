"""The grammar of infotext: prompt lines, a negative prompt, and one line of `key: value` fields.

The form is the older UI's, byte for byte where it writes, and just as tolerant where it reads.
Text that comes out of files is untrusted: it is cut and cleaned first, and every step here takes
time in proportion to its length.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

MAX_CHARACTERS = 4_000_000
"""Longer text is cut: four prompts of the longest kind, fully escaped, fit below."""

LEAST_FIELDS = 3
"""A last line with fewer `key: value` pairs is part of the prompt."""

MAX_JSON_VALUES = 8
"""So many values of a line are tried as JSON, since each try may read to the line's end."""

NEGATIVE = "Negative prompt:"
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNSAFE_IN_JSON = re.compile(r"[\x7f-\x9f\u2028\u2029]")
_SIZE = re.compile(r"(\d+)x(\d+)")
# The second alternative swallows a whole run that no colon follows: no start inside the run could
# match either, and skipping it keeps the search linear.
_FIELD = re.compile(
    r'[ \-/]*(?P<key>\w[\w \-/]+):\s*(?P<value>"(?:[^\\"]++|\\.)++"(?=,|$)|[^,]*)(?:,|$)'
    r"|[\w \-/]+"
)


@dataclass(frozen=True)
class Infotext:
    """Infotext taken apart; `fields` keeps the order and all values are strings.

    A value of the form `512x768` stands under two keys, `Size-1` and `Size-2`.
    """

    prompt: str = ""
    negative_prompt: str = ""
    fields: Mapping[str, str] = field(default_factory=dict[str, str])


def clean(text: str) -> str:
    """`text` made fit to be kept and shown: cut to `MAX_CHARACTERS`, without control characters.

    Line ends become newlines; tabs stay.
    """
    cut = text[:MAX_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub(" ", cut)


def parse(text: str) -> Infotext:
    """Take infotext apart; text without a line of fields is all prompt. Never raises."""
    *lines, last = clean(text).strip().split("\n")
    fields = _fields(last)
    if fields is None:
        lines.append(last)
    prompt, negative = split_prompts(lines)
    return Infotext(prompt, negative, fields or {})


def compose(prompt: str, negative: str, fields: Mapping[str, str]) -> str:
    """The infotext of these parts: what `parse` takes apart.

    Prompts that would not come back exactly (blank edges, control characters, a line that starts
    like the negative prompt) are written a second time, both as quoted fields; an absent one of
    the two is then empty.
    """
    lines = [clean(prompt)] + ([f"{NEGATIVE} {clean(negative)}"] if negative else [])
    exact: dict[str, str] = {}
    if split_prompts("\n".join(lines).split("\n")) != (prompt, negative):
        both = {"Prompt": prompt, "Negative prompt": negative}
        exact = {key: text for key, text in both.items() if text}
    *first, last = [*fields.items()] or [("", "")]
    ordered = [*first, *exact.items(), last]
    line = ", ".join(f"{key}: {quote(value)}" for key, value in ordered if key)
    return "\n".join([*lines, line]).strip()


def split_prompts(lines: Iterable[str]) -> tuple[str, str]:
    """The prompt and the negative prompt from the lines above the fields."""
    parts: tuple[list[str], list[str]] = ([], [])
    side = 0
    for raw in lines:
        line = raw.strip()
        if line.startswith(NEGATIVE):
            side = 1
            line = line[len(NEGATIVE) :].strip()
        if line or parts[side]:
            parts[side].append(line)
    return "\n".join(parts[0]), "\n".join(parts[1])


def quote(value: str) -> str:
    """`value` as it stands in the line of fields: bare, or as a JSON string where it must be.

    Beyond the older rule (comma, newline, colon) values are quoted that would otherwise change:
    those that begin with a quotation mark, have blank edges or hold control characters.
    """
    plain = value == value.strip() == clean(value) and not value.startswith('"')
    if plain and not any(mark in value for mark in ",\n:\u2028\u2029"):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _fields(line: str) -> dict[str, str] | None:
    """The fields of a line, or None where they are too few for it to be one."""
    found = [*_pairs(line)]
    if len(found) < LEAST_FIELDS:
        return None
    fields: dict[str, str] = {}
    for key, raw in found:
        value = _unquote(raw)
        size = _SIZE.fullmatch(value)
        if size:
            fields[f"{key}-1"], fields[f"{key}-2"] = size.groups()
        elif value:
            fields[key] = value
    return fields


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """Every key with its raw value; a bare JSON list or object is one value, commas and all."""
    position, decoded = 0, 0
    while (found := _FIELD.search(line, position)) is not None:
        position, value = found.end(), found["value"]
        if value and value[0] in "[{" and decoded < MAX_JSON_VALUES:
            decoded += 1
            end = _json_end(line, found.start("value"))
            if end is not None:
                position, value = end, line[found.start("value") : end]
        if found["key"]:
            yield found["key"], value or ""


def _json_end(line: str, start: int) -> int | None:
    """Where the JSON value that begins here ends, if a comma or nothing follows it."""
    try:
        _, end = json.JSONDecoder().raw_decode(line, start)
    except (ValueError, RecursionError):
        return None
    return end if line[end : end + 1] in ("", ",") else None


def _unquote(raw: str) -> str:
    if len(raw) < 2 or not (raw[0] == raw[-1] == '"'):
        return raw
    try:
        value: object = json.loads(raw)
    except ValueError:
        return raw
    return value if isinstance(value, str) else raw
