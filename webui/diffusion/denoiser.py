"""The one place where the network is called: guidance, batching, and the seam for controls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from webui.diffusion.conditioning import Conditioning, ConditioningBatch, Row, by_length, stack
from webui.diffusion.guidance import Estimates, Guidance, cfg
from webui.diffusion.prediction import Prediction

Denoiser: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""`(x, sigma) -> denoised`: x and denoised are (B, C, H, W) float32, sigma is a 0-d tensor.

All images of a batch share one noise level. Sigma may lie on the CPU whatever device x is on.
"""

Prompt: TypeAlias = Conditioning | Sequence[Conditioning]
"""What one image is told: a conditioning, or the weighted parts of a composition by AND."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """What controls add inside the network; each tensor has the N rows of the call.

    Attributes:
        down: one per skip connection of a UNet (ControlNet), in the network's own order.
        mid: at most one, for the middle block of a UNet.
        adapter: one per resolution of a UNet (T2I-Adapter).
        blocks: one per double-stream block of a transformer, (N, tokens, width).
        single_blocks: one per single-stream block of a transformer.
    """

    down: tuple[Tensor, ...] = ()
    mid: tuple[Tensor, ...] = ()
    adapter: tuple[Tensor, ...] = ()
    blocks: tuple[Tensor, ...] = ()
    single_blocks: tuple[Tensor, ...] = ()

    def __add__(self, other: "Residuals") -> "Residuals":
        """The sum place by place; a place that one side leaves empty is taken from the other."""
        return Residuals(
            **{f.name: _summed(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        )


def _summed(left: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if not left or not right:
        return left or right
    return tuple(a + b for a, b in zip(left, right, strict=True))


class Network(Protocol):
    """A loaded network, whatever its architecture.

    `x_in` is (N, C, H, W), already scaled, in the sampler's dtype: the network casts to its own.
    `timestep` is (N,) float: a training index, or sigma * 1000 for flows. `batch.context` is
    (N, T, D), `batch.pooled` (N, P) or None, `batch.size_ids` (N, 6) or None, `batch.guidance`
    (N,) or None. The output is (N, C, H, W) in any float dtype.
    """

    def __call__(
        self,
        x_in: Tensor,
        timestep: Tensor,
        conditioning_batch: ConditioningBatch,
        residuals: Residuals | None = None,
        /,
    ) -> Tensor:
        """Predict noise, v or velocity for N rows."""
        ...


Control: TypeAlias = Callable[[Tensor, Tensor, Tensor, ConditioningBatch], Residuals | None]
"""`(x_in, sigma, timestep, batch) -> residuals` for the N rows of one call, or None for nothing."""


class Guided:
    """A denoiser over a network: conditions, batches, adds controls, guides.

    `cond` and `uncond` hold one prompt for all images or one for each. Prompt and negative prompt
    go through the network in one call, unless their token counts differ (`by_length`). Without
    `uncond`, or at `cfg_scale` 1 where it could not matter, the negative prompt is not computed.
    A `guidance` given by hand replaces `cfg(cfg_scale)` and always gets both sides.

    Raises:
        ValueError: if `cond` or `uncond` is empty, or fits neither one image nor the batch.
    """

    def __init__(
        self,
        network: Network,
        prediction: Prediction,
        cond: Sequence[Prompt],
        uncond: Sequence[Prompt] | None = None,
        cfg_scale: float = 1.0,
        controls: Sequence[Control] = (),
        guidance: Guidance | None = None,
    ) -> None:
        self.network = network
        self.prediction = prediction
        self.cond = [_parts(prompt) for prompt in cond]
        self.uncond = None if uncond is None else [_parts(prompt) for prompt in uncond]
        self.controls = tuple(controls)
        self.guidance = guidance or cfg(cfg_scale)
        whole = all(sum(part.weight for part in parts) == 1 for parts in self.cond)
        self.one_sided = uncond is None or (guidance is None and cfg_scale == 1 and whole)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The guided clean estimate of x (B, C, H, W) at `sigma` (0-d)."""
        rows = _rows(self.cond, len(x), positive=True)
        count = len(rows)
        if self.uncond is not None and not self.one_sided:
            rows += _rows(self.uncond, len(x), positive=False)
        estimates = self._estimates(x, sigma, rows)  # (N, C, H, W)
        if self.one_sided:
            return _mean(estimates, rows, x)
        uncond = _mean(estimates[count:], rows[count:], x)
        cond = _composed(estimates[:count], rows[:count], uncond)

        def again(other: Tensor, positive: bool) -> Tensor:
            side = rows[:count] if positive else rows[count:]
            found = self._estimates(other, sigma, side)
            return _composed(found, side, uncond) if positive else _mean(found, side, other)

        return self.guidance(Estimates(x, sigma, cond, uncond, again))

    def _estimates(self, x: Tensor, sigma: Tensor, rows: Sequence[Row]) -> Tensor:
        groups = by_length(rows)
        if len(groups) == 1:
            return self._call(x, sigma, rows)
        estimates = torch.empty((len(rows), *x.shape[1:]), dtype=x.dtype, device=x.device)
        for group in groups:
            estimates[group] = self._call(x, sigma, [rows[i] for i in group])
        return estimates

    def _call(self, x: Tensor, sigma: Tensor, rows: Sequence[Row]) -> Tensor:
        x_rows = x[[row.image for row in rows]]  # (N, C, H, W)
        x_in = self.prediction.scale_input(x_rows, sigma)
        timestep = self.prediction.timestep(sigma).to(x.device).expand(len(rows))  # (N,)
        batch = stack(rows)
        residuals: Residuals | None = None
        for control in self.controls:
            added = control(x_in, sigma, timestep, batch)
            if added is not None:
                residuals = added if residuals is None else residuals + added
        output = self.network(x_in, timestep, batch, residuals)
        return self.prediction.denoised(output.to(x.dtype), x_rows, sigma)


def _parts(prompt: Prompt) -> tuple[Conditioning, ...]:
    return (prompt,) if isinstance(prompt, Conditioning) else tuple(prompt)


def _rows(prompts: Sequence[tuple[Conditioning, ...]], images: int, *, positive: bool) -> list[Row]:
    if len(prompts) not in (1, images):
        raise ValueError(f"{len(prompts)} prompts do not fit a batch of {images} images")
    each = list(prompts) * images if len(prompts) == 1 else prompts
    return [Row(i, part, positive) for i, parts in enumerate(each) for part in parts]


def _mean(estimates: Tensor, rows: Sequence[Row], x: Tensor) -> Tensor:
    """One estimate per image: its only one, or the mean of its parts by weight."""
    if len(rows) == len(x):
        return estimates
    total = torch.zeros_like(x)
    weights = [0.0] * len(x)
    for estimate, row in zip(estimates, rows, strict=True):
        total[row.image] += estimate * row.conditioning.weight
        weights[row.image] += row.conditioning.weight
    return total / torch.tensor(weights, dtype=x.dtype, device=x.device).view(-1, 1, 1, 1)


def _composed(estimates: Tensor, rows: Sequence[Row], uncond: Tensor) -> Tensor:
    """The composition of Liu et al. 2022 (arXiv:2206.01714): uncond + sum of weighted pulls."""
    if len(rows) == len(uncond) and all(row.conditioning.weight == 1 for row in rows):
        return estimates
    composed = uncond.clone()
    for estimate, row in zip(estimates, rows, strict=True):
        pull = estimate - uncond[row.image]
        composed[row.image] += pull * row.conditioning.weight
    return composed
