"""The one place where the network is called: guidance, batching, and the seam for controls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from webui.diffusion.conditioning import (
    Conditioning,
    ConditioningBatch,
    Padding,
    Row,
    Timeline,
    Told,
    by_length,
    stack,
)
from webui.diffusion.guidance import Estimates, Guidance, cfg
from webui.diffusion.moments import Moment
from webui.diffusion.prediction import Prediction

Denoiser: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""`(x, sigma) -> denoised`: x and denoised are (B, C, H, W) float32, sigma is a 0-d tensor.

All images of a batch share one noise level. Sigma may lie on the CPU whatever device x is on.
"""

Prompt: TypeAlias = Conditioning | Sequence[Conditioning] | Timeline
"""What one image is told: a conditioning, the weighted parts of a composition by AND, or a
timeline of such parts over the calls of the network."""


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


class Shown:
    """A network that is shown something beside the latent, as further channels of its input.

    `channels` is (1 or B, K, H, W); rows that are not sighted get zeros for it.
    """

    def __init__(self, network: Network, channels: Tensor) -> None:
        self.network = network
        self.channels = channels

    def __call__(
        self,
        x_in: Tensor,
        timestep: Tensor,
        conditioning_batch: ConditioningBatch,
        residuals: Residuals | None = None,
        /,
    ) -> Tensor:
        """Predict for `x_in` (N, C, H, W) with the channels of each row's image beside it."""
        batch, channels = conditioning_batch, self.channels.to(x_in)
        images = batch.images if len(channels) > 1 else (0,) * len(x_in)
        shown = channels[list(images)]  # (N, K, H, W)
        if not all(batch.sighted):
            shown = shown * torch.tensor(batch.sighted).view(-1, 1, 1, 1).to(shown)
        return self.network(torch.cat([x_in, shown], dim=1), timestep, batch, residuals)


class Guided:
    """A denoiser over a network: conditions, batches, adds controls, guides, counts its calls.

    `cond` and `uncond` hold one prompt for all images or one for each. Prompt and negative prompt
    go through the network in one call, unless their token counts differ (`by_length`) and no
    `padding` brings them to one. Without `uncond`, or at `cfg_scale` 1 where it could not matter,
    the negative prompt is not computed, except for `both_sides`. A call that `skip` picks has the
    prompt alone, unguided. A `guidance` given by hand replaces `cfg(cfg_scale)` and always gets
    both sides. `first_call` is the number of the first call, for timelines and `skip`.

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
        *,
        padding: Padding | None = None,
        skip: Moment | None = None,
        both_sides: bool = False,
        first_call: int = 0,
    ) -> None:
        self.network = network
        self.prediction = prediction
        self.cond = tuple(cond)
        self.uncond = None if uncond is None else tuple(uncond)
        self.controls = tuple(controls)
        self.guidance = guidance or cfg(cfg_scale)
        self.padding = padding
        self.skip = skip
        self.calls = first_call
        whole = all(sum(part.weight for part in _told(each, 0)) == 1 for each in self.cond)
        idle = guidance is None and cfg_scale == 1 and whole and not both_sides
        self.one_sided = uncond is None or idle
        self._latest_uncond: Tensor | None = None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The guided clean estimate of x (B, C, H, W) at `sigma` (0-d)."""
        call, self.calls = self.calls, self.calls + 1
        skipped = self.skip is not None and self.skip(call, sigma)
        cond, uncond = self._sides(call, len(x))
        rows = _rows(cond, positive=True)
        count = len(rows)
        if not (self.one_sided or skipped):
            rows += _rows(uncond, positive=False)
        estimates = self._estimates(x, sigma, rows)  # (N, C, H, W)
        if self.one_sided:
            return _mean(estimates, rows, x)
        if skipped:  # the older UI lets the first part of each prompt stand in
            self._latest_uncond = estimates[_firsts(rows)]
            return _composed(estimates, rows, self._latest_uncond)
        self._latest_uncond = uncond_estimate = _mean(estimates[count:], rows[count:], x)
        cond_estimate = _composed(estimates[:count], rows[:count], uncond_estimate)

        def again(other: Tensor, positive: bool) -> Tensor:
            side = rows[:count] if positive else rows[count:]
            found = self._estimates(other, sigma, side)
            return _composed(found, side, uncond_estimate) if positive else _mean(found, side, x)

        def blind() -> Tensor:
            side = [replace(row, sighted=False) for row in rows[count:]]
            return _mean(self._estimates(x, sigma, side), side, x)

        return self.guidance(Estimates(x, sigma, cond_estimate, uncond_estimate, again, blind))

    def latest_uncond(self) -> Tensor:
        """The clean estimate for the negative prompt in the latest call, (B, C, H, W).

        Raises ValueError where none was made.
        """
        if self._latest_uncond is None:
            raise ValueError("no call has computed the negative prompt")
        return self._latest_uncond

    def _sides(self, call: int, images: int) -> tuple[list[Told], list[Told]]:
        """What each image is told in this call, by the prompt and by the negative prompt."""
        cond = [_told(prompt, call) for prompt in _each(self.cond, images)]
        if self.uncond is None:
            return cond, []
        uncond = [_told(prompt, call) for prompt in _each(self.uncond, images)]
        if self.padding is not None:
            pairs = [self.padding(*pair) for pair in zip(cond, uncond, strict=True)]
            cond, uncond = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return cond, uncond

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


def _told(prompt: Prompt, call: int) -> Told:
    if isinstance(prompt, Timeline):
        return prompt.at(call)
    return (prompt,) if isinstance(prompt, Conditioning) else tuple(prompt)


def _each(prompts: Sequence[Prompt], images: int) -> Sequence[Prompt]:
    if len(prompts) not in (1, images):
        raise ValueError(f"{len(prompts)} prompts do not fit a batch of {images} images")
    return [prompts[0]] * images if len(prompts) == 1 else prompts


def _rows(told: Sequence[Told], *, positive: bool) -> list[Row]:
    return [Row(image, part, positive) for image, parts in enumerate(told) for part in parts]


def _firsts(rows: Sequence[Row]) -> list[int]:
    """The index of the first row of each image."""
    images = [row.image for row in rows]
    return [images.index(image) for image in sorted(set(images))]


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
