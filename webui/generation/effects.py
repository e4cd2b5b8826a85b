"""Always-on effects at work: found by name, called in their order, named where they break."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from PIL import Image

from webui.contract.request import GenerationRequest
from webui.diffusion.denoiser import Denoiser, Network
from webui.diffusion.guidance import Guidance
from webui.errors import PluginError, WebuiError
from webui.plugins.effects import Layer, PassView
from webui.plugins.entries import EffectEntry
from webui.plugins.expansion import parse_args
from webui.plugins.registries import Registry


@dataclass(frozen=True)
class Layers:
    """What all effects of a request do in one pass; the last of them is the outermost."""

    each: Sequence[Layer] = ()

    def network(self, network: Network) -> Network:
        """The network as the effects have it."""
        for layer in self.each:
            network = layer.network(network) if layer.network else network
        return network

    def guidance(self, guidance: Guidance) -> Guidance | None:
        """The guidance as the effects have it; None where none of them minds."""
        guides = [layer.guide for layer in self.each if layer.guide]
        for guide in guides:
            guidance = guide(guidance)
        return guidance if guides else None

    def wrap(self, denoiser: Denoiser) -> Denoiser:
        """The denoiser as the effects have it."""
        for layer in self.each:
            denoiser = layer.wrap(denoiser) if layer.wrap else denoiser
        return denoiser


Join: TypeAlias = Callable[[PassView], Layers]
"""Tells the effects of a request about a pass, and returns what they do in it."""


class EffectDesk:
    """Calls the effects that a request names, in the order of their registration.

    Raises PluginError, which names the effect, where one of them breaks.
    """

    def __init__(self, effects: Registry[EffectEntry]) -> None:
        self._effects = effects

    def prepared(self, request: GenerationRequest) -> GenerationRequest:
        """The request to run instead of this one."""
        for effect, args in self._named(request):
            request = self._guard(effect, "prepare", request, args)
        return request

    def patches(self, request: GenerationRequest) -> list[Any]:
        """The patches that are in force while the item runs."""
        patches: list[Any] = []
        for effect, args in self._named(request):
            patches += self._guard(effect, "patches", request, args)
        return patches

    def joining(self, request: GenerationRequest, tell: Callable[[str], None]) -> Join:
        """What tells the effects of `request` about its passes; `tell` brings word to the user."""
        named = self._named(request)

        def join(seen: PassView) -> Layers:
            view = replace(seen, tell=tell)
            return Layers([self._guard(e, "layer", view, request, args) for e, args in named])

        return join

    def finished(self, image: Image.Image, request: GenerationRequest) -> Image.Image:
        """The picture to file instead of this one."""
        for effect, args in self._named(request):
            image = self._guard(effect, "finish", image, request, args)
        return image

    def _named(self, request: GenerationRequest) -> list[tuple[EffectEntry, Any]]:
        calls = {call.name: call for call in request.effects}
        for name in calls:
            self._effects.get(name, "effects")
        return [
            (effect, parse_args(effect.form.args_type, call.args, f"effects.{call.name}"))
            for effect in self._effects
            if (call := calls.get(effect.name)) is not None
        ]

    def _guard(self, effect: EffectEntry, moment: str, *args: Any) -> Any:
        """Call one moment of an effect; what breaks there fails the item under its name."""
        try:
            return getattr(effect, moment)(*args)
        except WebuiError:
            raise
        except Exception as error:
            owner = self._effects.owner(effect.name)
            sentence = f"The effect {effect.label!r} of {owner} broke in {moment}: {error!r}"
            raise PluginError(owner, moment, sentence) from error
