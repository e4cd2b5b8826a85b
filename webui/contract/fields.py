"""What a field is: metadata beside its type, and a walk over all fields of a model by path."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.fields import FieldInfo

M = TypeVar("M", bound=BaseModel)
Text = Annotated[str, StringConstraints(max_length=100_000)]
Name = Annotated[str, StringConstraints(max_length=300)]


class Frozen(BaseModel):
    """A value: immutable, hashable, closed to unknown names, without NaN or infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


@dataclass(frozen=True)
class Param:
    """What every face needs to know of a field beyond its type and bounds.

    `infotext` is its key in the text written into images (None: never written), `axis` offers it
    to X/Y/Z plots, `choices` names the vocabulary that its values come from, `step` is the grain
    of its slider, `multiline` asks for a text area.
    """

    label: str
    help: str = ""
    infotext: str | None = None
    axis: bool = False
    choices: str | None = None
    step: float | None = None
    multiline: bool = False


@dataclass(frozen=True)
class Leaf:
    """A field that holds a value of its own, at `path` below the walked model."""

    path: str
    param: Param
    annotation: Any
    info: FieldInfo

    @property
    def default(self) -> Any:
        """The value a fresh model has here; None where there is none."""
        value = self.info.get_default(call_default_factory=True, validated_data={})
        return None if self.info.is_required() else value

    @property
    def low(self) -> float | None:
        """The smallest allowed value."""
        return _bound(self.info, Ge, "ge") if _has(self.info, Ge) else _bound(self.info, Gt, "gt")

    @property
    def high(self) -> float | None:
        """The largest allowed value."""
        return _bound(self.info, Le, "le") if _has(self.info, Le) else _bound(self.info, Lt, "lt")

    @property
    def multiple_of(self) -> float | None:
        """The number that values must be a multiple of."""
        return _bound(self.info, MultipleOf, "multiple_of")


def walk(model: type[BaseModel], prefix: str = "") -> Iterator[Leaf]:
    """Yield every leaf of `model` in order of declaration, entering nested and optional models."""
    for name, info in model.model_fields.items():
        path = f"{prefix}{name}"
        nested = nested_model(info.annotation)
        if nested is not None:
            yield from walk(nested, f"{path}.")
            continue
        for note in info.metadata:
            if isinstance(note, Param):
                yield Leaf(path, note, info.annotation, info)


def leaves(model: type[BaseModel]) -> dict[str, Leaf]:
    """Every leaf of `model` by its path."""
    return {leaf.path: leaf for leaf in walk(model)}


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """The model inside `Model` or `Model | None`; None for everything else."""
    options = (
        [a for a in get_args(annotation) if a is not type(None)]
        if get_origin(annotation) in (Union, types.UnionType)
        else [annotation]
    )
    if len(options) == 1 and isinstance(options[0], type) and issubclass(options[0], BaseModel):
        return options[0]
    return None


def get(model: BaseModel, path: str) -> Any:
    """The value at `path`; None where an optional part on the way is absent."""
    value: Any = model
    for name in path.split("."):
        if value is None:
            return None
        value = getattr(value, name)
    return value


def replace(model: M, path: str, value: Any) -> M:
    """A copy of `model` with `value` at `path`, validated; absent parts on the way are made.

    Raises pydantic's ValidationError where the value is not allowed there.
    """
    return nest(model, {path: value})


def nest(model: M, values: dict[str, Any]) -> M:
    """A copy of `model` with several values by path, validated once.

    Raises pydantic's ValidationError where a value is not allowed.
    """
    tree = model.model_dump()
    for path, value in values.items():
        *parents, last = path.split(".")
        place = tree
        for name in parents:
            if place.get(name) is None:
                place[name] = {}
            place = cast("dict[str, Any]", place[name])
        place[last] = value.model_dump() if isinstance(value, BaseModel) else value
    return type(model).model_validate(tree)


def _has(info: FieldInfo, kind: type[Any]) -> bool:
    return any(isinstance(note, kind) for note in info.metadata)


def _bound(info: FieldInfo, kind: type[Any], name: str) -> float | None:
    for note in info.metadata:
        if isinstance(note, kind):
            return cast("float", getattr(note, name))
    return None
