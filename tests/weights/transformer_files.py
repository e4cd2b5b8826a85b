"""Small random files of transformer families: every name real, every width a fraction of it.

The names and shapes are a few blocks of public single-file layouts (transformer_layouts.json); the
widths are exchanged for smaller ones that stand in the same proportions.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

LAYOUTS = Path(__file__).with_name("transformer_layouts.json")
Shapes = dict[str, tuple[int, ...]]


def read_shapes(layout: str) -> Shapes:
    """Names and real shapes of one reduced layout."""
    listed: dict[str, list[int]] = json.loads(LAYOUTS.read_text(encoding="utf-8"))[layout]
    return {name: tuple(shape) for name, shape in listed.items()}


def narrowed(shapes: Shapes, sizes: Mapping[int, int]) -> Shapes:
    """The same with other sizes where `sizes` has one."""
    return {name: tuple(sizes.get(n, n) for n in shape) for name, shape in shapes.items()}


def prefixed(shapes: Shapes, prefix: str) -> Shapes:
    """The same under a prefix."""
    return {prefix + name: shape for name, shape in shapes.items()}


def drawn(shapes: Shapes, seed: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Tensors of these shapes: scales near 1, the rest small enough to stay finite."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            scales = name.endswith(("weight", "scale"))
            state[name] = (values * 0.1 + float(scales)).to(dtype)
        else:
            state[name] = (values * (0.7 / values[0].numel() ** 0.5)).to(dtype)
    return state
