"""Dynamic thresholding for latents: strong guidance within the range of a milder one.

After Saharia et al. 2022 (arXiv:2205.11487), section 2.3, whose percentile is taken of pixels
known to lie in [-1, 1]. Latents have no such bounds, so the range of a lower scale stands in for
them, as the community's extension of this name does it.
"""

import math

import torch
from torch import Tensor

from webui.contract.request import GenerationRequest
from webui.diffusion.guidance import Estimates, Guidance
from webui.effects.arguments import ThresholdingArgs
from webui.effects.forms import THRESHOLDING
from webui.plugins import Effect, Layer, PassView


def scale_at(scale: float, low: float, mode: str, value: float, fraction: float) -> float:
    """A scale that moves by `mode` above `low`, at `fraction` in [0, 1] of the pass."""
    wave = fraction * value % 1.0
    shares = {
        "Constant": 1.0,
        "Linear Down": 1 - fraction,
        "Cosine Down": math.cos(fraction * math.pi / 2),
        "Half Cosine Down": math.cos(fraction),
        "Linear Up": fraction,
        "Cosine Up": 1 - math.cos(fraction * math.pi / 2),
        "Half Cosine Up": 1 - math.cos(fraction),
        "Power Up": fraction**value,
        "Power Down": 1 - fraction**value,
        "Linear Repeating": abs(1 - 2 * wave),
        "Cosine Repeating": (math.cos(2 * math.pi * fraction * value) + 1) / 2,
        "Sawtooth": wave,
    }
    return low + (scale - low) * shares[mode]


def thresholded(guided: Tensor, mimic: Tensor, args: ThresholdingArgs) -> Tensor:
    """`guided` (B, C, H, W) in the range of `mimic` (B, C, H, W), both made from one estimate."""
    strong, mild = guided.flatten(2), mimic.flatten(2)  # (B, C, H W)
    mean = strong.mean(2, keepdim=True)  # (B, C, 1)
    strong_off, mild_off = strong - mean, mild - mild.mean(2, keepdim=True)
    if args.measure == "STD":
        have, want = _spread(strong_off, args), _spread(mild_off, args)
    else:
        have = _percentile(strong_off.abs(), args)
        want = _largest(mild_off.abs(), args)
    if args.startpoint == "ZERO":
        result = strong * (want / have)
    elif args.measure == "STD":
        result = strong_off / have * want + mean
    else:
        limit = torch.maximum(want, have)
        result = strong_off.clamp(-limit, limit) / limit * want + mean
    return torch.lerp(guided, result.view_as(guided), args.interpolate_phi)


def _per_image(values: Tensor, args: ThresholdingArgs) -> Tensor:
    """What one range is for: a channel of an image (B, C, n), or all of it (B, 1, n)."""
    return values if args.separate_channels else values.flatten(1).unsqueeze(1)


def _spread(offsets: Tensor, args: ThresholdingArgs) -> Tensor:
    return _positive(_per_image(offsets, args).std(2, keepdim=True))


def _largest(sizes: Tensor, args: ThresholdingArgs) -> Tensor:
    return _positive(_per_image(sizes, args).amax(2, keepdim=True))


def _percentile(sizes: Tensor, args: ThresholdingArgs) -> Tensor:
    share = args.threshold_percentile / 100
    return _positive(torch.quantile(_per_image(sizes, args), share, dim=2, keepdim=True))


def _positive(size: Tensor) -> Tensor:
    """A flat channel has no range to divide by."""
    return size.clamp_min(torch.finfo(size.dtype).tiny)


class DynamicThresholding(Effect[ThresholdingArgs]):
    """Takes the place of plain guidance."""

    form = THRESHOLDING

    def layer(self, view: PassView, request: GenerationRequest, args: ThresholdingArgs) -> Layer:
        """Return the guidance at its two scales."""
        if args.mimic_scale == 0:
            return Layer()
        value = args.scheduler_value

        def guided(estimates: Estimates) -> Tensor:
            at = view.fraction(estimates.sigma)
            scale = scale_at(view.cfg_scale, args.cfg_scale_min, args.cfg_mode, value, at)
            lower = scale_at(args.mimic_scale, args.mimic_scale_min, args.mimic_mode, value, at)
            pull = estimates.cond - estimates.uncond
            strong, mild = estimates.uncond + pull * scale, estimates.uncond + pull * lower
            return thresholded(strong, mild, args)

        def guide(inner: Guidance) -> Guidance:
            return guided

        return Layer(guide=guide)
