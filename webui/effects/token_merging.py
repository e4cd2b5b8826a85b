"""Token merging, Bolya and Hoffman 2023 (arXiv:2303.17604), over self-attention.

As the older UI uses it: the tokens kept as targets are the first of each 2x2 cells, not drawn at
random, and only self-attention works on merged tokens.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from webui.contract.request import GenerationRequest
from webui.effects.arguments import TokenMergingArgs
from webui.effects.forms import TOKEN_MERGING
from webui.effects.modules import (
    hooked,
    self_attention,
    transformer_blocks,
    unet_of,
    while_patched,
)
from webui.plugins import Effect, Layer, PassView
from webui.weights.checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class Matching:
    """Which tokens of each row merge into which; T tokens become T - r.

    Attributes:
        count: T.
        targets: places of the tokens that others merge into, (D,).
        alone: places of the others that stay, (N, T - D - r).
        merged: places of those that merge, (N, r).
        into: for each of them the number of its target, (N, r).
    """

    count: int
    targets: Tensor
    alone: Tensor
    merged: Tensor
    into: Tensor

    def merge(self, tokens: Tensor) -> Tensor:
        """(N, T, C) to (N, T - r, C): those alone, then each target with the mean of its like."""
        targets = tokens[:, self.targets]
        sums = targets.scatter_reduce(
            1, _wide(self.into, tokens), _pick(tokens, self.merged), reduce="mean"
        )
        return torch.cat([_pick(tokens, self.alone), sums], dim=1)

    def unmerge(self, tokens: Tensor) -> Tensor:
        """(N, T - r, C) to (N, T, C): merged tokens get what their target has."""
        kept = self.alone.shape[1]
        alone, targets = tokens[:, :kept], tokens[:, kept:]
        whole = tokens.new_empty(len(tokens), self.count, tokens.shape[-1])
        whole[:, self.targets] = targets
        whole.scatter_(1, _wide(self.alone, tokens), alone)
        whole.scatter_(1, _wide(self.merged, tokens), _pick(targets, self.into))
        return whole


def match(tokens: Tensor, width: int, merging: int) -> Matching:
    """Choose which tokens (N, T, C) merge: the `merging` ones that are most like a target.

    Tokens lie in rows of `width`; at most those merge that are no targets themselves.
    """
    count = tokens.shape[1]
    height = count // width
    place = torch.arange(count, device=tokens.device)
    row, column = place // width, place % width
    inside = (row < height // 2 * 2) & (column < width // 2 * 2)
    target = inside & (row % 2 == 0) & (column % 2 == 0)
    targets, others = place[target], place[~target]
    likeness = tokens / tokens.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    scores = likeness[:, others] @ likeness[:, targets].transpose(1, 2)  # (N, T - D, D)
    best, number = scores.max(-1)
    order = best.argsort(dim=-1, descending=True, stable=True)
    first, rest = order[:, :merging], order[:, merging:]
    return Matching(count, targets, others[rest], others[first], number.gather(1, first))


def shallowest(unet: UNet2DConditionModel) -> int:
    """The smallest downsampling of the latent at which a UNet has transformer blocks."""
    stages = [int(name.split(".")[1]) for name in transformer_blocks(unet) if name[:4] == "down"]
    return 2 ** min(stages, default=len(unet.config["block_out_channels"]) - 1)


def _wide(places: Tensor, tokens: Tensor) -> Tensor:
    return places.unsqueeze(-1).expand(-1, -1, tokens.shape[-1])


def _pick(tokens: Tensor, places: Tensor) -> Tensor:
    return tokens.gather(1, _wide(places, tokens))


@dataclass(frozen=True)
class Merging:
    """The patch that merges a share of the tokens around each self-attention."""

    ratio: float
    max_downsample: int = 1

    @contextmanager
    def apply(self, checkpoint: Checkpoint) -> Iterator[None]:
        """Hook into the transformer blocks until the block is left."""
        unet = unet_of(checkpoint, TOKEN_MERGING.label)
        size = [0, 0]

        def measure(module: nn.Module, given: tuple[Any, ...]) -> None:
            size[:] = given[0].shape[-2:]

        with ExitStack() as stack:
            stack.enter_context(hooked([unet.register_forward_pre_hook(measure)]))
            for block in transformer_blocks(unet).values():
                stack.enter_context(self._merging(block, size))
            yield

    @contextmanager
    def _merging(self, block: nn.Module, size: list[int]) -> Iterator[None]:
        present: list[Matching] = []

        def enter(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            tokens: Tensor = given[0] if given else named["hidden_states"]
            present[:] = self._matched(tokens, *size)

        def merge(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
            return (present[0].merge(given[0]), *given[1:]) if present else given

        def unmerge(module: nn.Module, given: tuple[Any, ...], output: Tensor) -> Tensor:
            return present[0].unmerge(output) if present else output

        attention = self_attention(block)  # type: ignore[arg-type]
        handles = [
            block.register_forward_pre_hook(enter, with_kwargs=True),
            attention.register_forward_pre_hook(merge),
            attention.register_forward_hook(unmerge),
        ]
        with hooked(handles):
            yield

    def _matched(self, tokens: Tensor, height: int, width: int) -> list[Matching]:
        """The matching for a block's input (N, T, C); none where the block lies too deep."""
        count = tokens.shape[1]
        for step in range(1, self.max_downsample + 1):
            rows, columns = math.ceil(height / step), math.ceil(width / step)
            merging = int(count * self.ratio)
            if rows * columns == count and min(rows, columns) > 1 and merging:
                return [match(tokens, columns, merging)]
        return []


class TokenMerging(Effect[TokenMergingArgs]):
    """Merges in both passes of a hires fix, each by its own ratio."""

    form = TOKEN_MERGING

    def layer(self, view: PassView, request: GenerationRequest, args: TokenMergingArgs) -> Layer:
        """Return the denoiser with tokens merged."""
        ratio = (args.hr_ratio or args.ratio) if view.hires else args.ratio
        if ratio == 0:
            return Layer()
        least = shallowest(unet_of(view.checkpoint, self.label))
        if least > args.max_downsample:
            view.tell(
                f"Token merging did nothing: the layers of {view.checkpoint.title} begin at a "
                f"depth of {least}. Set its deepest layers to {least} or more."
            )
            return Layer()
        patch = Merging(ratio, args.max_downsample)
        return Layer(wrap=lambda inner: while_patched(inner, view.checkpoint, patch))
