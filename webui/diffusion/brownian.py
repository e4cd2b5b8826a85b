"""A Brownian path from a seed, drawn with whatever generator is at hand."""

from collections.abc import Callable
from typing import Final

import numpy as np
from torch import Tensor

DIGITS: Final = 6  # of time, to which the tree branches
POOL: Final = 24  # words of entropy that each seed is mixed in


class BrownianTree:
    """One path between two times, the same for a seed whatever is asked of it and in what order.

    Each node halves its interval and draws the middle with a seed of its own: the Brownian bridge.
    torchsde's tree draws with torch's generators alone; this one takes its seeds as that one does,
    so that with the same draws the path is the same.

    Args:
        low: where the path begins, at zero.
        high: where it ends.
        seed: of the whole path.
        draw: `(seed) -> noise`, unit normal numbers of the path's shape.
    """

    def __init__(self, low: float, high: float, seed: int, draw: Callable[[int], Tensor]) -> None:
        self.seed = seed
        self.draw = draw
        self.low, self.high = round(low, DIGITS), round(high, DIGITS)
        root = np.random.SeedSequence(seed, pool_size=POOL).generate_state(3)[0]
        self.whole = draw(int(root)) * (high - low) ** 0.5
        self._known: dict[float, Tensor] = {}

    def __call__(self, start: float, end: float) -> Tensor:
        """What the path gains from `start` to a later `end`."""
        return self._value(end) - self._value(start)

    def _value(self, time: float) -> Tensor:
        time = min(max(round(time, DIGITS), self.low), self.high)
        if time not in self._known:
            self._known[time] = self._descend(time)
        return self._known[time]

    def _descend(self, time: float) -> Tensor:
        low, high, gain = self.low, self.high, self.whole
        base, branch, depth = gain * 0, 0, 0
        while low < time < high:
            middle = round(0.5 * (high + low), DIGITS)
            left = self._halved(low, middle, high, gain, (branch, depth))
            if time < middle:
                high, gain, branch = middle, left, 2 * branch
            else:
                base, low, gain, branch = base + left, middle, gain - left, 2 * branch + 1
            depth += 1
        return base + gain if time == high else base

    def _halved(
        self, low: float, middle: float, high: float, gain: Tensor, key: tuple[int, int]
    ) -> Tensor:
        """What the path gains from `low` to `middle`, given its gain from `low` to `high`."""
        entropy = np.random.SeedSequence(self.seed, spawn_key=key, pool_size=POOL)
        share = (middle - low) / (high - low)
        spread = (share * (high - middle)) ** 0.5
        return gain * share + self.draw(int(entropy.generate_state(4)[0])) * spread
