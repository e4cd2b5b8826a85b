"""How one field's value is written as text, and found again in text that anybody may have typed."""

import json
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, cast, get_args, get_origin

from webui.contract.events import Word
from webui.contract.fields import Leaf
from webui.contract.request import Blob
from webui.contract.vocabulary import find, nearest

Words = Mapping[str, tuple[Word, ...]]
"""Words by vocabulary, as `vocabulary.builtin` gives them; files add "checkpoints", "styles"."""

ABSENT_MEANS: Mapping[str, str] = {"RNG": "gpu"}
"""What a key means that is not there, where that is not the field's default."""

SPELLINGS: Mapping[str, tuple[str, str]] = {"Noise Schedule": ("Default", "Zero Terminal SNR")}
"""Switches that the older UI writes as words: off and on."""

_TEXT_LIMIT = 100_000
_NAME_LIMIT = 300
_SHOWN = 80


class Unreadable(Exception):
    """A value that says nothing usable for its field; the text is a sentence for the user."""


def to_text(leaf: Leaf, value: Any, words: Words) -> str:
    """The text of a leaf's value: labels for names, the older UI's forms for the rest."""
    if isinstance(value, Blob):
        return value.sha256
    if isinstance(value, tuple):
        return json.dumps(list(cast("tuple[object, ...]", value)), ensure_ascii=False)
    text = str(value.value if isinstance(value, Enum) else value)
    choices, key = leaf.param.choices, leaf.param.infotext
    if isinstance(value, bool) and key is not None and key in SPELLINGS:
        return SPELLINGS[key][value]
    return spell(words.get(choices, ()), text) if choices else text


def spell(words: Sequence[Word], name: str) -> str:
    """The label of the word with this id, or the id where the label would find another word."""
    word = next((w for w in words if w.id == name), None)
    if word is None:
        return name
    found = find(words, word.label)
    return word.label if found is not None and found.id == name else name


def from_text(leaf: Leaf, text: str, words: Words) -> tuple[Any, str]:
    """A value that the leaf accepts, and a notice where it had to be bent; "" where not.

    Raises Unreadable.
    """
    choices = leaf.param.choices
    if get_origin(leaf.annotation) is tuple:
        return _names(leaf, text, words.get(choices or "", ()))
    kinds = set(get_args(leaf.annotation)) or {leaf.annotation}
    if Blob in kinds:
        return _blob(leaf, text), ""
    if bool in kinds:
        off = SPELLINGS.get(leaf.param.infotext or "", ("False",))[0]
        return text not in ("False", off), ""
    if int in kinds or float in kinds:
        return _number(leaf, text, whole=float not in kinds)
    if choices and words.get(choices):
        return _name(leaf, text, words[choices]), ""
    limit = _TEXT_LIMIT if leaf.param.multiline else _NAME_LIMIT
    if len(text) > limit:
        return text[:limit], f"{_key(leaf)} was longer than {limit} characters and has been cut."
    return text, ""


def shown(text: str) -> str:
    """`text` short enough for a sentence."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _key(leaf: Leaf) -> str:
    return leaf.param.infotext or leaf.param.label


def _name(leaf: Leaf, text: str, words: Sequence[Word]) -> str:
    word = find(words, text)
    if word is None:
        close = nearest([w.label for w in words], text[:_NAME_LIMIT])
        offer = f" The nearest known: {', '.join(close)}." if close else ""
        raise Unreadable(f"{_key(leaf)} {shown(text)!r} is not known here and was left out.{offer}")
    return word.id


def _names(leaf: Leaf, text: str, words: Sequence[Word]) -> tuple[tuple[str, ...], str]:
    try:
        listed: object = json.loads(text)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list):
        raise Unreadable(f"{_key(leaf)} {shown(text)!r} is not a list of names.")
    names = [str(name)[:_NAME_LIMIT] for name in cast("list[object]", listed)]
    if not words:
        return tuple(names), ""
    unknown = [name for name in names if find(words, name) is None]
    known = tuple(word.id for word in (find(words, name) for name in names) if word is not None)
    return known, f"{_key(leaf)} not known here: {shown(', '.join(unknown))}." if unknown else ""


def _blob(leaf: Leaf, text: str) -> Blob:
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise Unreadable(f"{_key(leaf)} {shown(text)!r} does not name a kept picture.")
    return Blob(sha256=text)


def _number(leaf: Leaf, text: str, whole: bool) -> tuple[int | float, str]:
    try:
        value = int(text) if whole and text.lstrip("+-").isdecimal() else float(text)
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise Unreadable(f"{_key(leaf)} {shown(text)!r} is not a number and was left out.")
    wanted = value
    low, high, grain = leaf.low, leaf.high, leaf.multiple_of
    if high is not None and value > high:
        value = high
    if low is not None and value < low:
        value = low
    if whole:
        value = int(value)
    if grain is not None and value % grain:
        value -= value % grain
    if value == wanted:
        return value, ""
    return value, f"{_key(leaf)} {shown(text)} is not possible here and became {value}."
