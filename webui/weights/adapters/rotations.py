"""Adapters that turn a weight's rows instead of adding to them.

Papers: OFT (Qiu and others 2023), BOFT with its butterflies (Liu and others 2023).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

TINY = 1e-8


def rotated(parts: Mapping[str, Tensor], weight: Tensor) -> Tensor:
    """OFT and BOFT: `weight` (O, ...) with its rows turned, and rescaled where the file says.

    `oft_blocks` (B, S, S) holds what rotations are made of, `oft_diag` the rotations themselves; of
    (M, B, S, S) the M factors are applied one after the other, each on other rows. `alpha` limits
    how far they turn. Raises RuntimeError where the blocks do not fit the rows.
    """
    blocks, rows = parts.get("oft_blocks"), weight.flatten(1)
    if blocks is None:
        turned = _turned(parts["oft_diag"].mT, rows)
    elif blocks.dim() == 4:
        turned = _butterflies(_orthogonal(blocks, parts, rows.shape[0]), rows)
    else:
        turned = _turned(_orthogonal(blocks, parts, rows.shape[0]).mT, rows)
    if "rescale" in parts:
        turned = turned * parts["rescale"].reshape(-1, 1)
    return turned.reshape(weight.shape)


def _orthogonal(blocks: Tensor, parts: Mapping[str, Tensor], out: int) -> Tensor:
    """Rotations (..., S, S) by Cayley's formula from what is skew-symmetric in `blocks`."""
    skew = blocks - blocks.mT
    limit = float(parts["alpha"].item()) * out if "alpha" in parts else 0.0
    length = float(skew.norm())
    if 0.0 < limit < length:
        skew = skew * ((limit + TINY) / (length + TINY))
    one = torch.eye(skew.shape[-1], device=skew.device)
    return (one + skew) @ torch.linalg.inv(one - skew)


def _turned(blocks: Tensor, rows: Tensor) -> Tensor:
    """Each block (B, S, S) on its own S rows of (B * S, I)."""
    return (blocks @ rows.unflatten(0, blocks.shape[:2])).reshape(rows.shape)


def _butterflies(factors: Tensor, rows: Tensor) -> Tensor:
    """Factor after factor (B, S, S); the m-th meets rows that lie 2^m * S / 2 apart."""
    half = factors.shape[-1] // 2
    for number, blocks in enumerate(factors):
        apart = (1 << number) * half
        mixed = rows.reshape(-1, 2, apart, rows.shape[1]).transpose(1, 2)
        turned = _turned(blocks, mixed.reshape(rows.shape))
        back = turned.reshape(-1, apart, 2, rows.shape[1]).transpose(1, 2)
        rows = back.reshape(rows.shape)
    return rows
