"""Changes kept beside a layer: for weights that do not lie at rest in the form they compute in.

A weight in 8 or 4 bits would lose most of a small change to rounding, and one that is brought to
the device for each call would lose it with the copy. There the layer's output is changed instead,
which comes to the same; the weight is never touched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from webui.weights.adapters.formulas import Misfit

SMALLEST = 2
"""Bytes of a number that a change can be added to without losing most of it."""
MOVED = ("_diffusers_hook", "_hf_hook")
"""Where libraries note that they bring a layer's weights to the device for each call."""


def is_mergeable(parameter: nn.Parameter, module: nn.Module) -> bool:
    """Whether changes may be added to the weights of `module` themselves."""
    return (
        type(parameter.data) is Tensor
        and parameter.is_floating_point()
        and parameter.element_size() >= SMALLEST
        and parameter.device.type != "meta"
        and not any(hasattr(module, mark) for mark in MOVED)
    )


def whole_weight(parameter: Tensor) -> Tensor:
    """A weight in float32, whatever it is stored in. Raises Misfit where that cannot be read."""
    unpack: Callable[[], Tensor] | None = getattr(parameter, "dequantize", None)
    if type(parameter.data) is not Tensor and unpack is not None:
        return unpack().float()
    if not parameter.is_floating_point() or parameter.device.type == "meta":
        raise Misfit("the weight is not at hand")
    return parameter.float()


@dataclass(frozen=True, eq=False)
class Product:
    """A low-rank change: up (O, R) times down (R, I, ...)."""

    up: Tensor
    down: Tensor


Change = Tensor | Product


@dataclass(eq=False)
class Beside:
    """All that is added to the output of one layer, which is linear or a convolution.

    What is added waits on the device and in the format of the layer's input after the first call.
    """

    module: nn.Module
    changes: list[Change] = field(default_factory=list[Change])
    bias: list[Tensor] = field(default_factory=list[Tensor])

    def attach(self) -> RemovableHandle:
        """From now on every output is changed; removing the handle ends that."""
        return self.module.register_forward_hook(self._changed)

    def _changed(self, module: nn.Module, inputs: Sequence[Any], output: Tensor) -> Tensor:
        seen: Tensor = inputs[0]
        self.changes = [_moved(change, seen) for change in self.changes]
        self.bias = [bias.to(seen) for bias in self.bias]
        for change in self.changes:
            output = output + _through(module, seen, change)
        for bias in self.bias:
            output = output + (bias[:, None, None] if isinstance(module, nn.Conv2d) else bias)
        return output


def _moved(change: Change, like: Tensor) -> Change:
    if isinstance(change, Product):
        return Product(change.up.to(like), change.down.to(like))
    return change.to(like)


def _through(module: nn.Module, seen: Tensor, change: Change) -> Tensor:
    """What the layer would give for `seen` if its weight were only the change."""
    if isinstance(module, nn.Conv2d):
        # Its own method, because that minds how the edges are continued.
        if isinstance(change, Product):
            kernel = change.down.reshape(len(change.down), -1, *module.kernel_size)
            inner = module._conv_forward(seen, kernel, None)
            return F.conv2d(inner, change.up[:, :, None, None])
        return module._conv_forward(seen, change, None)
    if isinstance(change, Product):
        return F.linear(F.linear(seen, change.down.flatten(1)), change.up)
    return F.linear(seen, change)
