"""Practice: one network learns from numbered steps until its budget is spent, and can go on later.

Every stage but the UNet's, which has partners, trains by this one loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from webui.starter.clock import Budget, cool_down
from webui.starter.console import Console
from webui.starter.states import Average, load_state, pack_state, save_state

CHECK_STEPS = range(1_000_000_000, 1_000_000_004)
"""Steps that no training reaches; their losses are compared before and after."""


@dataclass
class Practice:
    """What learns and for how long; ``learn`` gives the loss of a step, drawn from its number.

    ``folder`` keeps the state as ``NAME-state.pt``; ``decay`` is that of the averaged weights,
    which are what remains in ``module`` at the end.
    """

    name: str
    folder: Path
    module: nn.Module
    learn: Callable[[int], torch.Tensor]
    budget: Budget
    console: Console
    device: str = "cpu"
    rate: float = 1e-3
    warm_up: int = 50
    hold: float = 0.3
    decay: float = 0.998
    weight_decay: float = 1e-3
    further: bool = False
    save_seconds: float = 120.0


@dataclass(frozen=True)
class Outcome:
    """A stage's loss on fixed draws before and after, and the steps taken in all."""

    before: float
    after: float
    steps: int


def practise(practice: Practice) -> Outcome:
    """Train until the budget is spent, from where an earlier run stopped."""
    weights = [w for w in practice.module.parameters() if w.requires_grad]
    optimizer = torch.optim.AdamW(
        weights,
        lr=practice.rate,
        betas=(0.9, 0.99),
        weight_decay=practice.weight_decay,
        fused=True,
    )
    before = check(practice)
    average = Average(practice.module, practice.decay)
    state, step = load_state(state_path(practice), practice.device), 0
    if state is not None:
        practice.module.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.weights, average.steps = state["average"], state["step"]
        step = state["step"]
        practice.budget.resume(step, state["progress"], practice.further)
    step = run_steps(practice, optimizer, average, step)
    average.write(practice.module)
    outcome = Outcome(before, check(practice), step)
    practice.console.say(
        f"{practice.name}: {step} steps, loss {outcome.before:.4f} -> {outcome.after:.4f}"
    )
    return outcome


def run_steps(
    practice: Practice, optimizer: torch.optim.Optimizer, average: Average, step: int
) -> int:
    """Take steps until the budget is spent, saving on the way; returns their number."""
    weights = optimizer.param_groups[0]["params"]
    path, saved = state_path(practice), time.monotonic()
    with practice.console.bar(practice.name) as bar:
        while (progress := practice.budget.progress(step)) < 1.0:
            optimizer.param_groups[0]["lr"] = practice.rate * cool_down(
                progress, step, practice.warm_up, practice.hold
            )
            loss = practice.learn(step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            average.update(practice.module)
            step += 1
            bar.show(progress, step, float(loss.detach()))
            if time.monotonic() - saved > practice.save_seconds:
                save_state(path, pack_state(practice.module, optimizer, average, step, progress))
                saved = time.monotonic()
    save_state(path, pack_state(practice.module, optimizer, average, step, 1.0))
    return step


def state_path(practice: Practice) -> Path:
    """Tell where a stage keeps what a later run needs."""
    return practice.folder / f"{practice.name}-state.pt"


@torch.no_grad()
def check(practice: Practice) -> float:
    """Tell the mean loss on draws that are the same every time."""
    return sum(float(practice.learn(step)) for step in CHECK_STEPS) / len(CHECK_STEPS)
