"""How the outputs of a family's text encoders become what its network is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from webui.diffusion.conditioning import Conditioning
from webui.weights.families import Joining


@dataclass(frozen=True, eq=False)
class Encoded:
    """What one text encoder makes of a text: (1, T, C), and one vector (1, P) if it pools."""

    context: Tensor
    pooled: Tensor | None = None


class TextReader(Protocol):
    """A text encoder with its tokenizer and its rules."""

    def read(self, counts: Mapping[str, int]) -> dict[str, Encoded]:
        """Encode what one prompt says in turn, each text as often as `counts` tells."""
        ...


SILENT_TOKENS = 256
"""Tokens of nothing that stand for T5 where it is not there."""


def join(joining: Joining, encoded: Sequence[Encoded], width: int = 0) -> Conditioning:
    """One conditioning of what each encoder made of a text, in the family's order.

    `width` is that of the context which the network reads, for joinings that fill up to it.
    """
    return JOININGS[joining](encoded, width)


def _alone(encoded: Sequence[Encoded], _width: int) -> Conditioning:
    (one,) = encoded
    return Conditioning(one.context, one.pooled)


def _side_by_side(encoded: Sequence[Encoded], _width: int) -> Conditioning:
    """Every token has the vectors of all encoders, one after the other; SDXL."""
    length = max(one.context.shape[1] for one in encoded)
    contexts = [_lengthened(one.context, length) for one in encoded]
    pooled = [one.pooled for one in encoded if one.pooled is not None]
    return Conditioning(torch.cat(contexts, dim=-1), torch.cat(pooled, dim=-1) if pooled else None)


def _in_a_row(encoded: Sequence[Encoded], width: int) -> Conditioning:
    """Tokens of both CLIPs side by side, filled up with zeros to `width`, then those of T5; SD 3.

    Zeros stand for T5 where it is left out, as its networks were trained with now and then.
    """
    clips = _side_by_side(encoded[:2], 0)
    context = F.pad(clips.context, (0, width - clips.context.shape[-1]))
    last = encoded[2].context if len(encoded) > 2 else context.new_zeros(1, SILENT_TOKENS, width)
    return Conditioning(torch.cat([context, last], dim=1), clips.pooled)


def _last_alone(encoded: Sequence[Encoded], _width: int) -> Conditioning:
    """The tokens of T5 with the pooled vector of CLIP; FLUX."""
    return Conditioning(encoded[-1].context, encoded[0].pooled)


def _lengthened(context: Tensor, length: int) -> Tensor:
    """(1, T, C) with its last vector repeated up to `length`: embeddings may differ in vectors."""
    more = context[:, -1:].expand(-1, length - context.shape[1], -1)
    return torch.cat([context, more], dim=1)


JOININGS: Mapping[Joining, Callable[[Sequence[Encoded], int], Conditioning]] = {
    "alone": _alone,
    "side_by_side": _side_by_side,
    "in_a_row": _in_a_row,
    "last_alone": _last_alone,
}
