"""CFG rescale, Lin et al. 2023 (arXiv:2305.08891), section 3.4, on clean estimates."""

import torch
from torch import Tensor

from webui.contract.request import GenerationRequest
from webui.diffusion.guidance import Estimates, Guidance
from webui.effects.arguments import RescaleArgs
from webui.effects.forms import RESCALE
from webui.plugins import Effect, Layer, PassView

WHOLE = (1, 2, 3)
"""The dimensions of one picture."""


def rescaled(guided: Tensor, cond: Tensor, multiplier: float) -> Tensor:
    """`guided` (B, C, H, W), its spread brought toward that of `cond` (B, C, H, W).

    Equations 15 and 16 of the paper: at `multiplier` 1 both spreads are equal, at 0 nothing
    changes. The paper speaks of the network's output, "v" at high noise; its clean estimate is the
    part of it that grows out of range.
    """
    spread = guided.std(WHOLE, keepdim=True).clamp_min(torch.finfo(guided.dtype).tiny)
    factor = cond.std(WHOLE, keepdim=True) / spread
    return guided * (multiplier * factor + (1 - multiplier))


class Rescale(Effect[RescaleArgs]):
    """Corrects whatever the guidance inside it makes."""

    form = RESCALE

    def layer(self, view: PassView, request: GenerationRequest, args: RescaleArgs) -> Layer:
        """Return the correction around the pass's guidance."""
        if args.multiplier == 0:
            return Layer()

        def guide(inner: Guidance) -> Guidance:
            def corrected(estimates: Estimates) -> Tensor:
                return rescaled(inner(estimates), estimates.cond, args.multiplier)

            return corrected

        return Layer(guide=guide)
