"""Patches: changes to a checkpoint that are in force within a block.

The restore law: when the block is left, by its end or by an error, every bit of the checkpoint is
as it was when the block was entered. Patches nest, and are taken off in the opposite order.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from webui.weights.checkpoint import Checkpoint


class Patch(Protocol):
    """A change to a checkpoint that obeys the restore law."""

    def apply(self, checkpoint: Checkpoint) -> AbstractContextManager[None]:
        """Change `checkpoint` until the block is left."""
        ...


@contextmanager
def patched(checkpoint: Checkpoint, patches: Iterable[Patch]) -> Iterator[Checkpoint]:
    """Enter all patches in order; leave them in the opposite one."""
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch.apply(checkpoint))
        yield checkpoint


@contextmanager
def restoring(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Keep copies of `tensors`, which the block may change in place, and put every bit back.

    Subtracting what was added would not do: floating point forgets.
    """
    kept = [(tensor, tensor.detach().clone()) for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, copy in kept:
                tensor.copy_(copy)


@dataclass(frozen=True)
class Tiling:
    """Make pictures whose edges fit together: every convolution reads on at the opposite edge."""

    @contextmanager
    def apply(self, checkpoint: Checkpoint) -> Iterator[None]:
        """Wrap the padding of every convolution in the network and the VAE."""
        modules = (checkpoint.network.module, checkpoint.vae)
        convolutions: list[Any] = [
            m for root in modules for m in root.modules() if isinstance(m, nn.Conv2d)
        ]
        modes = [(convolution, convolution.padding_mode) for convolution in convolutions]
        try:
            for convolution in convolutions:
                convolution.padding_mode = "circular"
            yield
        finally:
            for convolution, mode in modes:
                convolution.padding_mode = mode
