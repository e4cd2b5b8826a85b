"""Hypernetworks: small networks that change what a UNet's attention looks at.

For each width there are two, one before the projection to keys and one before that to values, each
adding to its input what it makes of it. All attention layers whose input has that width are meant,
those that look at the prompt and those that look at the picture itself.
"""

import json
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from webui.errors import UnsupportedModel
from webui.library.headers import Header, read_header

NOTES = "converted_notes"
"""The metadata key under which the converter keeps what stood beside the weights."""
ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "leakyrelu": nn.LeakyReLU, "elu": nn.ELU, "swish": nn.Hardswish,
    "hardswish": nn.Hardswish, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU,
    "silu": nn.SiLU, "mish": nn.Mish, "softplus": nn.Softplus, "softsign": nn.Softsign,
    "selu": nn.SELU, "celu": nn.CELU, "relu6": nn.ReLU6, "hardsigmoid": nn.Hardsigmoid,
    "hardtanh": nn.Hardtanh, "logsigmoid": nn.LogSigmoid, "tanhshrink": nn.Tanhshrink,
}  # fmt: skip
PLAIN = ("", "linear", "identity", "none")
"""What files call it that nothing stands between the layers."""
SIDES = ("to_k", "to_v")
MATRIX = 2

_NAME = re.compile(r"(\d+)\.([01])\.(?:linear\.)?(?:linear)?(\d+)\.(weight|bias)")


@dataclass(frozen=True, eq=False)
class Hypernetwork:
    """A hypernetwork in memory: for each width the network before keys and that before values."""

    name: str
    identity: Hashable
    layers: Mapping[int, tuple[nn.Module, nn.Module]]


def read_hypernetwork(path: Path, name: str, identity: Hashable) -> Hypernetwork:
    """Read a safetensors file that the converter made. Raises UnsupportedModel, StorageError."""
    header = read_header(path)
    opened: Any = safe_open(path, framework="pt", device="cpu")
    found: dict[tuple[int, int], dict[int, dict[str, Tensor]]] = {}
    with opened as stream:
        for key in header.tensors:
            match = _NAME.fullmatch(key)
            if match is None:
                raise UnsupportedModel(f"{path.name} is not a hypernetwork that can be read.", key)
            place = found.setdefault((int(match[1]), int(match[2])), {})
            place.setdefault(int(match[3]), {})[match[4]] = stream.get_tensor(key).float()
    told = _told(header)
    widths = {width for width, _ in found}
    try:
        layers = {w: (_built(found[w, 0], w, told), _built(found[w, 1], w, told)) for w in widths}
    except (KeyError, RuntimeError) as error:
        raise UnsupportedModel(
            f"{path.name} is not a hypernetwork that can be read.", str(error)
        ) from error
    return Hypernetwork(name, identity, layers)


def is_for(hypernetwork: Hypernetwork, network: nn.Module) -> bool:
    """Whether it was trained for networks whose attention reads prompts of this one's width."""
    config: Any = getattr(network, "config", {})
    return config.get("cross_attention_dim") in hypernetwork.layers


def attach(
    hypernetwork: Hypernetwork, network: nn.Module, strength: float
) -> list[RemovableHandle]:
    """Let it change what `network` does until the handles are removed; weights stay as they are."""
    handles: list[RemovableHandle] = []
    for name, module in network.named_modules():
        side = name.rpartition(".")[2]
        if side in SIDES and isinstance(module, nn.Linear) and ".attn" in name:
            pair = hypernetwork.layers.get(module.in_features)
            if pair is not None:
                before = _Before(pair[SIDES.index(side)], strength)
                handles.append(module.register_forward_pre_hook(before))
    return handles


@dataclass(eq=False)
class _Before:
    """What a projection is given: its input and what the hypernetwork makes of that."""

    module: nn.Module
    strength: float

    def __call__(self, _module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        seen: Tensor = inputs[0]
        weight = next(self.module.parameters())
        if weight.device != seen.device or weight.dtype != seen.dtype:
            self.module.to(seen.device, seen.dtype)
        return (seen + self.module(seen) * self.strength, *inputs[1:])


def _told(header: Header) -> Mapping[str, str]:
    try:
        notes: Any = json.loads(header.metadata.get(NOTES, "{}"))
    except ValueError:
        return {}
    return cast("dict[str, str]", notes) if isinstance(notes, dict) else {}


def _built(
    parts: Mapping[int, Mapping[str, Tensor]], width: int, told: Mapping[str, str]
) -> nn.Module:
    """One network from its layers. Raises KeyError, RuntimeError and UnsupportedModel."""
    matrices = [n for n, part in sorted(parts.items()) if part["weight"].dim() == MATRIX]
    built: list[nn.Module] = []
    for place in sorted(parts):
        built.append(_layer(parts[place]))
        last = place == matrices[-1]
        if place in matrices and not (last and told.get("activate_output", "True") == "False"):
            built += _activation(str(told.get("activation_func", "")))
    sample = torch.zeros(1, width)
    whole = nn.Sequential(*built).requires_grad_(False).eval()
    if whole(sample).shape != sample.shape:
        raise RuntimeError(f"it does not give back {width} numbers")
    return whole


def _layer(part: Mapping[str, Tensor]) -> nn.Module:
    weight, bias = part["weight"], part["bias"]
    if weight.dim() == MATRIX:
        outputs, inputs = weight.shape
        made: nn.Module = nn.Linear(inputs, outputs)
    else:
        made = nn.LayerNorm(weight.shape[0])
    made.load_state_dict({"weight": weight, "bias": bias})
    return made


def _activation(name: str) -> list[nn.Module]:
    if name.casefold() in PLAIN:
        return []
    if name.casefold() not in ACTIVATIONS:
        raise UnsupportedModel(f"The activation {name!r} of this hypernetwork is not known.")
    return [ACTIVATIONS[name.casefold()]()]
