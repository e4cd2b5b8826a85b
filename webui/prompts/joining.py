"""How the outputs of a family's text encoders become what its network is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
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


def join(joining: Joining, encoded: Sequence[Encoded]) -> Conditioning:
    """One conditioning of what each encoder made of a text, in the family's order."""
    return JOININGS[joining](encoded)


def _alone(encoded: Sequence[Encoded]) -> Conditioning:
    (one,) = encoded
    return Conditioning(one.context, one.pooled)


def _side_by_side(encoded: Sequence[Encoded]) -> Conditioning:
    """Every token has the vectors of all encoders, one after the other; SDXL."""
    length = max(one.context.shape[1] for one in encoded)
    contexts = [_lengthened(one.context, length) for one in encoded]
    pooled = [one.pooled for one in encoded if one.pooled is not None]
    return Conditioning(torch.cat(contexts, dim=-1), torch.cat(pooled, dim=-1) if pooled else None)


def _lengthened(context: Tensor, length: int) -> Tensor:
    """(1, T, C) with its last vector repeated up to `length`: embeddings may differ in vectors."""
    more = context[:, -1:].expand(-1, length - context.shape[1], -1)
    return torch.cat([context, more], dim=1)


JOININGS: Mapping[Joining, Callable[[Sequence[Encoded]], Conditioning]] = {
    "alone": _alone,
    "side_by_side": _side_by_side,
}
