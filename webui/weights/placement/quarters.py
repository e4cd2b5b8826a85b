"""The parts of one checkpoint in their places, and their ways to the device."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from webui.weights.placement.homes import settle_at
from webui.weights.placement.plans import Plan
from webui.weights.placement.stages import (
    Berth,
    Bring,
    Stage,
    all_tensors,
    bind,
    blocks_of,
    layers_of,
    moor,
)

Move = Callable[[Tensor, torch.device], Tensor]

HOST = torch.device("cpu")
BLOCK_BYTES = 256 << 20
"""Blocks above this size come to the device in pieces."""

NARROW = torch.float8_e4m3fn
WIDE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""The layers whose weights can be kept in eight bits."""

SENSITIVE = re.compile(r"(^|\.)(pos_embed|patch_embed|proj_in|proj_out|norm\w*|time_embedding)\b")
"""Names of layers that lose too much by eight bits: a few, at the edges of a network."""


@dataclass(frozen=True)
class Format:
    """What a part computes on, and in which number format."""

    device: torch.device
    dtype: torch.dtype


class Quarters:
    """Keeps the parts of a checkpoint as a plan says.

    `berth` is the device's room for parts that take turns, shared by all checkpoints there; `move`
    brings a tensor to a device.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        formats: Mapping[str, Format],
        network: str,
        berth: Berth,
        move: Move | None = None,
    ) -> None:
        self._modules = dict(modules)
        self._formats = dict(formats)
        self._first_formats = dict(formats)
        self._network = network
        self._berth = berth
        self._move = move or _move
        self._handles: dict[str, list[RemovableHandle]] = {}
        self.plan = Plan()
        self.settled = False

    def settle(self, plan: Plan) -> None:
        """Bring every part to where `plan` keeps it."""
        if self.settled and self._lies_as(plan):
            self.plan = plan
            return
        self.leave()
        self.plan, self.settled = plan, True
        for name in self._modules:
            self._settle(name)

    def rest(self) -> None:
        """Bring every weight back to where it is kept; patches change it there."""
        self._berth.clear()

    def leave(self) -> None:
        """Take every part to host memory, free of hooks."""
        self.rest()
        self.settled = False
        for name, module in self._modules.items():
            self._unhook(name)
            _convert(module, lambda t: t.to(HOST))

    def weight(self, name: str, plan: Plan) -> int:
        """Bytes of a part as it lies on the device under `plan`."""
        tensors, dtype = all_tensors(self._modules[name]), self._formats[name].dtype
        if plan.storage == "file":
            return sum(t.nbytes for t in tensors)
        narrow = plan.storage == "fp8" and name == self._network
        return sum(t.numel() * (1 if narrow else dtype.itemsize) for t in tensors)

    def widen(self, name: str, dtype: torch.dtype) -> bool:
        """Let the part `name` compute in `dtype` from now on; False where it does already."""
        known = self._formats[name]
        if known.dtype == dtype:
            return False
        self.rest()
        self._unhook(name)
        self._formats[name] = Format(known.device, dtype)
        self._settle(name)
        return True

    def exchange(self, name: str, module: nn.Module) -> None:
        """Let `module` be the part `name` from now on; the former goes to host memory."""
        self.rest()
        self._unhook(name)
        _convert(self._modules[name], lambda t: t.to(HOST))
        self._modules[name] = module
        self._formats[name] = self._first_formats[name]
        if self.settled:
            self._settle(name)

    def _lies_as(self, plan: Plan) -> bool:
        mine = self.plan
        return (mine.placement, mine.storage) == (plan.placement, plan.storage)

    def _unhook(self, name: str) -> None:
        for handle in self._handles.pop(name, ()):
            handle.remove()

    def _settle(self, name: str) -> None:
        module, where = self._modules[name], self._formats[name]
        self._store(name, where.dtype)
        settle_at(module, where.device, where.dtype)
        handles: list[RemovableHandle] = []
        outer = self._bring_there(where.device)
        if self.plan.placement == "sequential" and where.device != HOST:
            handles += _layered(module, _widening(where.dtype, outer), None)
        else:
            handles += _layered(module, _widening(where.dtype), where.dtype)
            handles += self._place(module, where.device, outer)
        self._handles[name] = handles

    def _place(
        self, module: nn.Module, device: torch.device, bring: Bring
    ) -> list[RemovableHandle]:
        if self.plan.placement == "full" or device == HOST:
            _convert(module, bring)
            return []
        if self.plan.placement == "model":
            return moor(module, Stage(all_tensors(module), bring), self._berth)
        handles: list[RemovableHandle] = []
        grouped: set[nn.Module] = set()
        for block in blocks_of(module, BLOCK_BYTES):
            grouped |= set(block.modules())
            handles += bind(block, Stage(all_tensors(block), bring))
        for layer, tensors in layers_of(module):
            if layer not in grouped:
                handles += bind(layer, Stage(tensors, bring))
        return handles

    def _store(self, name: str, dtype: torch.dtype) -> None:
        """Bring the weights into the format that they are kept in."""
        module, storage = self._modules[name], self.plan.storage
        if storage == "compute" or isinstance(module, AutoencoderKL):
            # An autoencoder looks at its weights to see in which format it computes.
            _convert(module, _widening(dtype))
        elif storage == "fp8":
            narrow = _sturdy(module) if name == self._network else set[Tensor]()
            _convert(module, _widening(dtype), without=narrow)
            for weight in narrow:
                weight.data = weight.data.to(NARROW)

    def _bring_there(self, device: torch.device) -> Bring:
        return lambda tensor: self._move(tensor, device)


def _move(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device)


def _widening(dtype: torch.dtype, first: Bring = lambda t: t) -> Bring:
    """Floating point numbers to `dtype`, after `first`; others as they are."""

    def widen(tensor: Tensor) -> Tensor:
        brought = first(tensor)
        return brought.to(dtype) if brought.is_floating_point() else brought

    return widen


def _convert(module: nn.Module, bring: Bring, without: Collection[Tensor] = ()) -> None:
    """Exchange every tensor for good, one after the other, so that no part is there twice."""
    with torch.inference_mode(False):
        for tensor in all_tensors(module):
            if tensor not in without:
                tensor.data = bring(tensor.data)


def _layered(module: nn.Module, bring: Bring, dtype: torch.dtype | None) -> list[RemovableHandle]:
    """Let each layer have its weights only while it works; `dtype` spares those that are in it."""
    handles: list[RemovableHandle] = []
    for layer, tensors in layers_of(module):
        if dtype is not None:
            tensors = [t for t in tensors if t.is_floating_point() and t.dtype != dtype]
        if tensors:
            handles += bind(layer, Stage(tensors, bring))
    return handles


def _sturdy(module: nn.Module) -> set[Tensor]:
    """The weights that eight bits are enough for."""
    return {
        layer.weight
        for name, layer in module.named_modules()
        if isinstance(layer, WIDE) and not SENSITIVE.search(name)
    }
