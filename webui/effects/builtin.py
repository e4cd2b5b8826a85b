"""The plugin that registers the built-in effects in the worker."""

from typing import Any

from webui.effects.freeu import FreeU
from webui.effects.perturbed_attention import PerturbedAttention
from webui.effects.rescaling import Rescale
from webui.effects.self_attention import SelfAttention
from webui.effects.thresholding import DynamicThresholding
from webui.effects.token_merging import TokenMerging
from webui.plugins import Effect, hookimpl


class BuiltinEffects:
    """What comes with the product, through the same door as everything else."""

    @hookimpl
    def register_effects(self) -> list[Effect[Any]]:
        """Return every built-in effect, in the order in which they take part."""
        return [
            TokenMerging(),
            FreeU(),
            DynamicThresholding(),
            SelfAttention(),
            PerturbedAttention(),
            Rescale(),
        ]
