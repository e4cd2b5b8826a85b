"""Items: what an expansion yields, and the unit of queueing, progress, resuming and re-running."""

from pydantic import Field, model_validator

from webui.contract.fields import Frozen
from webui.contract.request import AnyRequest, GenerationRequest, OutputOf


class Item(Frozen):
    """One concrete piece of work: its request has a seed, one image, no styles and no script.

    `labels` are for people (axis values, a source file's name); `output_hint` asks for a file
    name, without folder or extension.
    """

    index: int = Field(ge=0)
    request: AnyRequest
    labels: tuple[tuple[str, str], ...] = ()
    output_hint: str = ""

    @property
    def needs(self) -> tuple[int, ...]:
        """The items whose outputs this one waits for."""
        return tuple(ref.item for ref in output_refs(self.request))


class Plan(Frozen):
    """The ordered items of a job; an item may need only items before it."""

    items: tuple[Item, ...]

    @model_validator(mode="after")
    def _ordered(self) -> "Plan":
        for position, item in enumerate(self.items):
            if item.index != position:
                raise ValueError(f"item {item.index} stands at position {position}")
            if any(need >= position for need in item.needs):
                raise ValueError(f"item {position} needs an item that comes later")
        return self


def output_refs(request: GenerationRequest) -> tuple[OutputOf, ...]:
    """Every reference to another item's output inside a request."""
    image = request.source.image if request.source else None
    return (image,) if isinstance(image, OutputOf) else ()
