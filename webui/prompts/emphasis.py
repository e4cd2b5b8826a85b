"""What weights do to the text encoder's outputs."""

from collections.abc import Sequence

import torch
from torch import Tensor

LEAST_MEAN = 0.02
"""The smallest mean, in standard deviations, that weighting is asked to keep."""


def emphasised(
    outputs: Sequence[Tensor],
    weights: Sequence[Sequence[float]],
    counts: Sequence[int] = (1,),
    restore: bool = True,
) -> list[Tensor]:
    """Multiply each token's vector by its weight; `restore` brings the mean back to what it was.

    `outputs` are the (1, 77, C) of one chunk in all that a prompt says in turn, `counts` how often
    each is said; the mean is over all of them, as the older UI's "Original" emphasis has it.
    CLIP's outputs have a mean of a tenth of their deviation; where an encoder's mean is close to
    zero, as a small one's may be, it has no scale to bring back and the outputs stay as multiplied.
    """
    if all(weight == 1.0 for each in weights for weight in each):
        return list(outputs)
    scaled = [_scaled(one, each) for one, each in zip(outputs, weights, strict=True)]
    if not restore:
        return scaled
    mean, new_mean = _mean(outputs, counts), _mean(scaled, counts)
    deviation = float(torch.cat(list(outputs)).std())
    if float(mean.abs()) < LEAST_MEAN * deviation or float(new_mean) == 0:
        return scaled
    return [one * (mean / new_mean) for one in scaled]


def _scaled(outputs: Tensor, weights: Sequence[float]) -> Tensor:
    factors = torch.tensor(weights, dtype=outputs.dtype, device=outputs.device)
    return outputs * factors[None, :, None]


def _mean(outputs: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    if len(outputs) == 1:
        return outputs[0].mean()
    total = sum(one.mean() * count for one, count in zip(outputs, counts, strict=True))
    return torch.as_tensor(total) / sum(counts)
