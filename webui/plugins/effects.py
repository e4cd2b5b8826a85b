"""Always-on effects: they take part in every item whose request names them, in the worker."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

from PIL import Image
from pydantic import BaseModel

from webui.contract.request import GenerationRequest

A = TypeVar("A", bound=BaseModel)
Denoiser = Callable[[Any, Any], Any]
"""`(x, sigma) -> denoised`, as `webui.diffusion.denoiser` has it."""


class Patch(Protocol):
    """A change to a checkpoint that leaves no trace when its block ends."""

    def apply(self, checkpoint: Any) -> AbstractContextManager[None]:
        """Change `checkpoint` until the block is left."""
        ...


class Effect(Generic[A]):
    """The base of effects: every moment is optional and does nothing by default.

    An effect whose `finish` may repaint pixels outside a mask says so by `touches_unmasked`; the
    infotext records it.
    """

    name: str
    label: str
    args_type: type[A]
    touches_unmasked: bool = False

    def prepare(self, request: GenerationRequest, args: A) -> GenerationRequest:
        """Return the request to run instead of this one."""
        return request

    def patches(self, request: GenerationRequest, args: A) -> Sequence[Patch]:
        """Return patches that are in force while the item runs."""
        return ()

    def wrap(self, denoiser: Denoiser, request: GenerationRequest, args: A) -> Denoiser:
        """Return a denoiser around this one."""
        return denoiser

    def finish(self, image: Image.Image, request: GenerationRequest, args: A) -> Image.Image:
        """Return the picture to file instead of this one."""
        return image
