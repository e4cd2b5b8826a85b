"""What is wrong with a value, said to a person: from pydantic's findings to plain sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel

from webui.contract.fields import Leaf, leaves
from webui.contract.request import GenerationRequest
from webui.contract.vocabulary import nearest

TAGS = frozenset({"blob", "rooted", "output", "generation"})
"""Discriminator values, which pydantic puts into paths although they are no fields."""

SENTENCES: Mapping[str, str] = {
    "missing": "{label} is missing.",
    "extra_forbidden": "There is no field called {field}.",
    "greater_than_equal": "{label} must be at least {ge}.",
    "greater_than": "{label} must be more than {gt}.",
    "less_than_equal": "{label} must be at most {le}.",
    "less_than": "{label} must be less than {lt}.",
    "multiple_of": "{label} must be a multiple of {multiple_of}.",
    "finite_number": "{label} must be a finite number, not NaN or infinity.",
    "int_type": "{label} must be a whole number.",
    "int_parsing": "{label} must be a whole number.",
    "int_parsing_size": "{label} is too large a number.",
    "int_from_float": "{label} must be a whole number.",
    "float_type": "{label} must be a number.",
    "float_parsing": "{label} must be a number.",
    "bool_type": "{label} must be true or false.",
    "bool_parsing": "{label} must be true or false.",
    "string_type": "{label} must be text.",
    "string_unicode": "{label} holds characters that are no text.",
    "string_too_long": "{label} is longer than the limit of {max_length} characters.",
    "string_pattern_mismatch": "{label} does not have the form that is asked for ({pattern}).",
    "enum": "{label} must be one of {expected}.",
    "literal_error": "{label} must be one of {expected}.",
    "too_long": "{label} has more than the limit of {max_length} entries.",
    "dict_type": "{label} must be an object.",
    "list_type": "{label} must be a list.",
    "tuple_type": "{label} must be a list.",
    "model_type": "{label} must be an object.",
    "model_attributes_type": "{label} must be an object.",
    "json_invalid": "The body is not valid JSON: {error}.",
    "union_tag_invalid": "{label}: its kind must be one of {expected_tags}.",
    "union_tag_not_found": "{label} must say its kind.",
}


@dataclass(frozen=True)
class Complaint:
    """One wrong value: the path of its field, and a sentence about it."""

    field: str
    sentence: str


def explain(
    found: Sequence[Any],
    root: type[BaseModel] | None = None,
    names: Mapping[str, str] | None = None,
) -> list[Complaint]:
    """Complaints in the order of pydantic's findings; `root` is the model that labels come from.

    `names` gives other names to fields, for a surface that calls them differently.
    """
    known = leaves(root or GenerationRequest)
    return [_explain_one(cast("Mapping[str, Any]", f), known, names or {}) for f in found]


def path_of(loc: Sequence[object]) -> str:
    """The field path in a location of pydantic's."""
    parts = [str(part) for part in loc]
    if parts and parts[0] in ("body", "query", "path", "header"):
        parts = parts[1:]
    return ".".join(part for part in parts if part not in TAGS)


def _explain_one(
    found: Mapping[str, Any], known: Mapping[str, Leaf], names: Mapping[str, str]
) -> Complaint:
    path = path_of(found["loc"])
    leaf = known.get(path)
    field = names.get(path, path)
    kind, context = str(found["type"]), cast("Mapping[str, Any]", found.get("ctx") or {})
    if kind == "json_invalid":
        return Complaint("", SENTENCES[kind].format(error=context.get("error", "")))
    label = f"{leaf.param.label} ({field})" if leaf else field or "The request"
    values = {name: _number(value) for name, value in context.items()}
    values |= {"label": label, "field": field}
    template = SENTENCES.get(kind)
    if template is None:
        return Complaint(field, f"{label}: {found['msg']}.")
    try:
        sentence = template.format(**values)
    except KeyError:
        sentence = f"{label}: {found['msg']}."
    if kind == "extra_forbidden":
        sentence += _offer(path, known)
    return Complaint(field, sentence)


def _offer(path: str, known: Mapping[str, Leaf]) -> str:
    close = nearest(known, path)
    return f" Did you mean {' or '.join(close)}?" if close else ""


def _number(value: object) -> object:
    return f"{value:.12g}" if isinstance(value, float) else value
