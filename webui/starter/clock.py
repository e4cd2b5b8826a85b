"""How far a training run is: by steps, or by the wall clock whatever else the machine does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Budget:
    """A run's length: ``steps``, or ``seconds`` from now; a resumed run goes on from ``done``.

    Steps are counted from ``first``.
    """

    steps: int = 0
    seconds: float = 0.0
    done: float = 0.0
    now: Callable[[], float] = time.monotonic
    first: int = 0
    start: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self.start = self.now()

    def resume(self, step: int, progress: float, further: bool) -> None:
        """Go on at ``step`` of a run that was ``progress`` over, or begin ``further`` training."""
        if further:
            self.first = step
        else:
            self.done = progress

    def progress(self, step: int) -> float:
        """Tell how much of the run is over before ``step``, from 0 to 1."""
        if self.steps:
            return min((step - self.first) / self.steps, 1.0)
        share = (self.now() - self.start) / max(self.seconds, 1e-9)
        return min(self.done + (1.0 - self.done) * share, 1.0)


def cool_down(progress: float, step: int, warm_up: int, hold: float) -> float:
    """Scale the learning rate: linear warm-up, flat until ``hold``, then cosine to zero."""
    warm = min(1.0, (step + 1) / warm_up)
    if progress <= hold:
        return warm
    return warm * 0.5 * (1.0 + math.cos(math.pi * (progress - hold) / (1.0 - hold)))
