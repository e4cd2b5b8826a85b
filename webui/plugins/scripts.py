"""Scripts: functions from one request to an ordered list of items, run in the server."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel

from webui.contract.fields import Frozen
from webui.contract.items import Item
from webui.contract.request import GenerationRequest

A = TypeVar("A", bound=BaseModel)


class NoArgs(Frozen):
    """The arguments of a script or effect that has none."""


class Script(ABC, Generic[A]):
    """An expansion that a person can choose by its label.

    `Args` fields carry `Param` metadata like those of requests; the form, the API and the infotext
    come from them. `modes` says where the script is offered.
    """

    name: str
    label: str
    args_type: type[A]
    modes: tuple[str, ...] = ("txt2img", "img2img")

    @abstractmethod
    def expand(self, request: GenerationRequest, args: A) -> Sequence[Item]:
        """Return the items of `request`.

        The request has a resolved seed and styles; what is returned must hold no script and a batch
        of one. Raises InvalidRequest where the arguments do not fit the request.
        """
