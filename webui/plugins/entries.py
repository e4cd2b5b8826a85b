"""What the registries ask of an entry: a name for requests, a label for people, and its verb.

The engine's own types (samplers, schedules) live where torch is; these protocols describe their
shape to rooms that must not import torch.
"""

from collections.abc import Callable
from typing import Any, Protocol

from PIL import Image
from pydantic import BaseModel

from webui.contract.effects import EffectForm


class Entry(Protocol):
    """Anything that a registry holds."""

    @property
    def name(self) -> str:
        """The id in requests, snake_case."""
        ...

    @property
    def label(self) -> str:
        """The name that people know."""
        ...


class SamplerEntry(Entry, Protocol):
    """A solver; see `webui.diffusion.samplers`."""

    @property
    def sample(self) -> Callable[..., Any]:
        """`(denoiser, x, sigmas, noise, options) -> x`."""
        ...


class ScheduleEntry(Entry, Protocol):
    """A spacing of noise levels; see `webui.diffusion.schedules`."""

    @property
    def build(self) -> Callable[..., Any]:
        """`(steps, prediction, options) -> sigmas`."""
        ...


class PreprocessorEntry(Entry, Protocol):
    """A maker of control pictures."""

    @property
    def args_type(self) -> type[BaseModel]:
        """The type of its options."""
        ...

    def run(self, image: Image.Image, args: Any) -> Image.Image:
        """Turn an RGB picture into a control picture of the same size."""
        ...


class FamilyEntry(Entry, Protocol):
    """A kind of models; see `webui.weights.families.ModelFamily`."""

    @property
    def matches(self) -> Callable[..., bool]:
        """`(header) -> whether a single file is of this kind`."""
        ...

    @property
    def accepts(self) -> Callable[..., bool]:
        """`(index, network, prediction) -> whether a folder is of this kind`."""
        ...


class EffectEntry(Entry, Protocol):
    """Something that takes part in every item that names it; see `webui.plugins.effects`."""

    @property
    def form(self) -> EffectForm:
        """What it asks of a person."""
        ...

    def prepare(self, request: Any, args: Any) -> Any:
        """Return the request to run instead of this one."""
        ...

    def patches(self, request: Any, args: Any) -> Any:
        """Return patches for the checkpoint, entered while the item runs."""
        ...

    def layer(self, view: Any, request: Any, args: Any) -> Any:
        """Return what it does in the pass that begins."""
        ...

    def finish(self, image: Image.Image, request: Any, args: Any) -> Image.Image:
        """Return the picture to file instead of this one."""
        ...
