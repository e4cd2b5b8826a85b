"""Resumable state on disk, moving averages of weights, and seeds per step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


class Average:
    """A moving average of a module's parameters that forgets its first steps quickly."""

    def __init__(self, modules: nn.Module, decay: float) -> None:
        """Begin at the present weights; ``decay`` is the final one."""
        self.decay = decay
        self.steps = 0
        self.weights = {k: v.detach().clone() for k, v in modules.state_dict().items()}

    @torch.no_grad()
    def update(self, modules: nn.Module) -> None:
        """Take one step towards the present weights."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        present = modules.state_dict()
        names = [k for k, v in self.weights.items() if v.is_floating_point()]
        torch._foreach_lerp_(
            [self.weights[k] for k in names], [present[k] for k in names], 1.0 - keep
        )

    def write(self, modules: nn.Module) -> None:
        """Copy the averaged weights into ``modules``."""
        modules.load_state_dict(self.weights)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` so that a broken run leaves either the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    torch.save(state, draft)
    draft.replace(path)


def load_state(path: Path, device: str) -> dict[str, Any] | None:
    """Read a saved state, or None where there is none."""
    if not path.exists():
        return None
    return torch.load(path, map_location=device, weights_only=True)


def pack_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, average: Average, step: int, progress: float
) -> dict[str, Any]:
    """Pack what a later run needs to go on at the same step."""
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.weights,
        "step": step,
        "progress": progress,
    }


def seed_step(seed: int, step: int, stage: int) -> tuple[torch.Generator, np.random.Generator]:
    """Make the random sources of one step, so that a resumed run draws what it would have."""
    source = np.random.default_rng((seed, stage, step))
    generator = torch.Generator().manual_seed(int(source.integers(2**62)))
    return generator, source
