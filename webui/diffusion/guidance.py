"""Guidance: how the estimates for prompt and negative prompt become one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Estimates:
    """What guidance combines at one noise level.

    Attributes:
        x: the noisy latents, (B, C, H, W).
        sigma: their noise level, 0-d.
        cond: clean estimates for the prompt, (B, C, H, W); a composition by AND is one estimate.
        uncond: clean estimates for the negative prompt, (B, C, H, W).
        again: `(x, positive) -> estimates`, one more call of the network for another x at the
            same noise level, on the side of the prompt (True) or of the negative prompt.
        blind: one more call for the negative prompt, in which the network does not see what it is
            shown beside the latent.
    """

    x: Tensor
    sigma: Tensor
    cond: Tensor
    uncond: Tensor
    again: Callable[[Tensor, bool], Tensor]
    blind: Callable[[], Tensor]


Guidance: TypeAlias = Callable[[Estimates], Tensor]
"""Combines both sides into the clean estimate (B, C, H, W) that the sampler gets."""


def cfg(scale: float) -> Guidance:
    """Classifier-free guidance, Ho and Salimans 2022 (arXiv:2207.12598), on clean estimates."""

    def guide(estimates: Estimates) -> Tensor:
        return estimates.uncond + (estimates.cond - estimates.uncond) * scale

    return guide


def two_scales(scale: float, picture_scale: float) -> Guidance:
    """Guidance by a text and by a picture, Brooks et al. 2023 (arXiv:2211.09800), equation 3.

    At `picture_scale` 1 it is `cfg(scale)`, and the third call is saved.
    """
    if picture_scale == 1:
        return cfg(scale)

    def guide(estimates: Estimates) -> Tensor:
        blind = estimates.blind()
        by_text = (estimates.cond - estimates.uncond) * scale
        return blind + by_text + (estimates.uncond - blind) * picture_scale

    return guide
