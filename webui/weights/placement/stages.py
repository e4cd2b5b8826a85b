"""Weights that come to the device when they are needed, and leave it without being written back.

A stage only exchanges what parameters point at. What lies in host memory is never touched, so
leaving costs nothing and loses no bit, and a patch that changes weights there is in force at the
next entry. Patches must meet weights at rest: `Berth.clear` brings the last guest home.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Bring = Callable[[Tensor], Tensor]
"""From a tensor as it is kept to the same as it is worked with."""

LOOKED_AT = "wo"
"""A layer of T5 whose format is looked at before it is called: its block comes as a whole."""


class Stage:
    """Tensors that come and go together."""

    def __init__(self, tensors: Iterable[Tensor], bring: Bring) -> None:
        self._tensors = tuple(tensors)
        self._bring = bring
        self._kept: list[Tensor] = []
        self._depth = 0

    def enter(self) -> None:
        """Bring the tensors; one that is inside already only counts."""
        self._depth += 1
        if self._depth > 1:
            return
        with torch.inference_mode(False):
            for tensor in self._tensors:
                brought = self._bring(tensor.data)  # may raise for want of memory
                self._kept.append(tensor.data)
                tensor.data = brought

    def leave(self) -> None:
        """Point the tensors at what was kept, when the last who entered leaves."""
        self._depth -= 1
        if self._depth:
            return
        with torch.inference_mode(False):
            for tensor, kept in zip(self._tensors, self._kept, strict=False):
                tensor.data = kept
        self._kept.clear()


class Berth:
    """Room on the device for one stage at a time: who comes in sends out who was there."""

    def __init__(self) -> None:
        self._guest: Stage | None = None

    def admit(self, stage: Stage) -> None:
        """Make `stage` the guest."""
        if stage is self._guest:
            return
        self.clear()
        try:
            stage.enter()
        except BaseException:
            stage.leave()
            raise
        self._guest = stage

    def clear(self) -> None:
        """Send the guest home."""
        if self._guest is not None:
            self._guest.leave()
            self._guest = None


def own_tensors(module: nn.Module) -> list[Tensor]:
    """The parameters and buffers that belong to `module` itself, not to those inside it."""
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def all_tensors(module: nn.Module) -> list[Tensor]:
    """Every parameter and buffer of `module`, each once."""
    return [*module.parameters(), *module.buffers()]


def bind(module: nn.Module, stage: Stage) -> list[RemovableHandle]:
    """Let `stage` be in while `module` works."""

    def enter(_module: nn.Module, _inputs: Any) -> None:
        stage.enter()

    def leave(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        stage.leave()

    return [
        module.register_forward_pre_hook(enter, prepend=True),
        module.register_forward_hook(leave, always_call=True),
    ]


def moor(module: nn.Module, stage: Stage, berth: Berth) -> list[RemovableHandle]:
    """Let `stage` come into `berth` whenever any layer of `module` begins to work.

    Autoencoders are entered by their halves, text encoders by their layers, so each of them asks.
    """

    def admit(_module: nn.Module, _inputs: Any) -> None:
        berth.admit(stage)

    layers = [m for m in module.modules() if m is module or own_tensors(m)]
    return [layer.register_forward_pre_hook(admit, prepend=True) for layer in layers]


def layers_of(module: nn.Module) -> Iterator[tuple[nn.Module, list[Tensor]]]:
    """Every module inside that has tensors of its own, with them."""
    if LOOKED_AT in dict(module.named_children()):
        yield module, all_tensors(module)
        return
    if own := own_tensors(module):
        yield module, own
    for child in module.children():
        yield from layers_of(child)


def blocks_of(module: nn.Module, limit: int) -> Sequence[nn.Module]:
    """The entries of module lists, split further while they are above `limit` bytes."""
    found: list[nn.Module] = []
    for child in module.children():
        entries = list(child.children()) if isinstance(child, nn.ModuleList) else []
        for entry in entries or [child]:
            inner = blocks_of(entry, limit)
            whole = bool(entries) and (not inner or size_of(entry) <= limit)
            found += [entry] if whole else inner
    return found


def size_of(module: nn.Module) -> int:
    """Bytes of its tensors."""
    return sum(t.nbytes for t in all_tensors(module))
