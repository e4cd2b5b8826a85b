"""Always-on effects: they take part in every item whose request names them, in the worker."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from PIL import Image
from pydantic import BaseModel

from webui.contract.effects import EffectForm
from webui.contract.request import GenerationRequest

A = TypeVar("A", bound=BaseModel)
Network = Callable[..., Any]
"""`(x_in, timestep, batch, residuals) -> output`, as `webui.diffusion.denoiser` has it."""
Denoiser = Callable[[Any, Any], Any]
"""`(x, sigma) -> denoised`, as `webui.diffusion.denoiser` has it."""
Guidance = Callable[[Any], Any]
"""`(estimates) -> denoised`, as `webui.diffusion.guidance` has it."""


class Patch(Protocol):
    """A change to a checkpoint that leaves no trace when its block ends."""

    def apply(self, checkpoint: Any) -> AbstractContextManager[None]:
        """Change `checkpoint` until the block is left."""
        ...


@dataclass(frozen=True, eq=False)
class PassView:
    """What an effect is told of the pass that it joins, once for each checkpoint at work in it.

    Attributes:
        checkpoint: the `webui.weights.checkpoint.Checkpoint` whose network is called.
        cfg_scale: the guidance scale of this pass.
        sigmas: the noise levels of its steps, descending, the last one included.
        hires: whether this is the second pass of a hires fix.
        tell: brings a sentence to the user, who reads it beside the picture.
    """

    checkpoint: Any
    cfg_scale: float
    sigmas: tuple[float, ...]
    hires: bool = False
    tell: Callable[[str], None] = lambda sentence: None

    @property
    def steps(self) -> int:
        """How many steps the pass runs."""
        return max(len(self.sigmas) - 1, 1)

    def step(self, sigma: Any) -> int:
        """The step, from 0, in which the network is asked about `sigma`."""
        level = float(sigma)
        passed = sum(known >= level for known in self.sigmas)
        return min(max(passed - 1, 0), self.steps - 1)

    def fraction(self, sigma: Any) -> float:
        """How far the pass is in the step of `sigma`: 0 in the first, 1 in the last."""
        return self.step(sigma) / max(self.steps - 1, 1)


@dataclass(frozen=True, eq=False)
class Layer:
    """What an effect does in one pass; a part that is None does nothing.

    Attributes:
        network: returns a network around the checkpoint's; it sees the rows of every call.
        guide: returns a guidance around this one; both sides are computed then.
        wrap: returns a denoiser around the guided one; it has the sampler's own view.
    """

    network: Callable[[Network], Network] | None = None
    guide: Callable[[Guidance], Guidance] | None = None
    wrap: Callable[[Denoiser], Denoiser] | None = None


class Effect(Generic[A]):
    """The base of effects: every moment is optional and does nothing by default.

    `form` is shared with `server.py`, which offers it to the page by `register_effect_forms`. An
    effect keeps nothing between items; what belongs to one pass lives in the layer it returns. One
    whose `finish` may repaint pixels outside a mask says so by `touches_unmasked`; the infotext
    records it.
    """

    form: EffectForm
    touches_unmasked: bool = False

    @property
    def name(self) -> str:
        """The id in requests."""
        return self.form.name

    @property
    def label(self) -> str:
        """The name that people know."""
        return self.form.label

    def prepare(self, request: GenerationRequest, args: A) -> GenerationRequest:
        """Return the request to run instead of this one."""
        return request

    def patches(self, request: GenerationRequest, args: A) -> Sequence[Patch]:
        """Return patches that are in force while the item runs."""
        return ()

    def layer(self, view: PassView, request: GenerationRequest, args: A) -> Layer:
        """Return what it does in the pass that begins."""
        return Layer()

    def finish(self, image: Image.Image, request: GenerationRequest, args: A) -> Image.Image:
        """Return the picture to file instead of this one."""
        return image
