"""Arguments of scripts and effects: from components to a checked model, faults in sentences."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from webui.contract.fields import Leaf, get, leaves
from webui.errors import InvalidRequest
from webui.ui.widgets import from_component, to_component

M = TypeVar("M", bound=BaseModel)


def read_arguments(args_type: type[M], given: Mapping[str, Any], prefix: str) -> M:
    """The arguments whose components hold `given`, by path.

    Raises InvalidRequest with the path after `prefix`, and a sentence that names the field.
    """
    known = leaves(args_type)
    try:
        return args_type.model_validate(
            _tree({path: from_component(leaf, given[path]) for path, leaf in known.items()})
        )
    except ValidationError as error:
        raise fault(error.errors()[0], known, prefix) from error


def show_arguments(args: BaseModel) -> dict[str, Any]:
    """What the components of these arguments hold, by path."""
    known = leaves(type(args))
    return {path: to_component(leaf, get(args, path)) for path, leaf in known.items()}


def fault(error: ErrorDetails, known: Mapping[str, Leaf], prefix: str = "") -> InvalidRequest:
    """One validation error as ours, about the field that it names."""
    path = ".".join(str(part) for part in error["loc"])
    while path and path not in known:
        path = path.rpartition(".")[0]
    label = known[path].param.label if path in known else "This value"
    return InvalidRequest(prefix + path, sentence(error, label), detail=error["msg"])


def sentence(error: ErrorDetails, label: str) -> str:
    """One validation error in words that name the field."""
    ctx, kind = error.get("ctx", {}), error["type"]
    if kind == "greater_than_equal":
        return f"{label} must be at least {ctx['ge']}."
    if kind == "less_than_equal":
        return f"{label} must be at most {ctx['le']}."
    if kind == "multiple_of":
        return f"{label} must be a multiple of {ctx['multiple_of']}."
    if kind.startswith(("int_", "float_", "finite_")):
        whole = "a whole number" if kind.startswith("int_") else "a number"
        return f"{label} must be {whole}."
    if kind == "string_too_long":
        return f"{label} is longer than {ctx['max_length']} characters."
    return f"{label}: {error['msg']}."


def _tree(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        place = tree
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = value
    return tree
