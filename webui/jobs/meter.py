"""How long the rest will take, from what the present item and the ones before it took."""

import time
from collections.abc import Callable


class Meter:
    """Measures one job while it runs; a monotonic clock, so that a changed date does no harm."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._items = 0
        self._item_seconds = 0.0
        self._began = clock()
        self._size = 1
        self._first: tuple[float, float] | None = None
        self._rest: float | None = None

    def begin(self, size: int) -> None:
        """A run of `size` items that share their progress begins."""
        self._began = self._clock()
        self._size = size
        self._first = None
        self._rest = None

    def observe(self, fraction: float) -> None:
        """The run has come this far.

        Time before the first step (loading a model) is left out of the rate: it comes once.
        """
        now = self._clock()
        if self._first is None:
            self._first = (fraction, now)
            return
        done, began = self._first
        if fraction > done and now > began:
            self._rest = (1 - fraction) * (now - began) / (fraction - done)

    def end(self) -> None:
        """The run has ended."""
        now = self._clock()
        done, began = self._first or (0.0, self._began)
        self._items += self._size
        self._item_seconds += (now - began) / (1 - done) if done < 1 else now - self._began
        self._first = None
        self._rest = None

    def eta(self, fraction: float, waiting: int) -> float | None:
        """Seconds to the end of the job with `waiting` items after this run; None if unknown."""
        if self._rest is not None and fraction < 1:
            whole = self._rest / (1 - fraction)
        elif self._items:
            whole = self._item_seconds / self._items * self._size
        else:
            return None
        rest = self._rest if self._rest is not None else whole * (1 - fraction)
        each = self._item_seconds / self._items if self._items else whole / self._size
        return rest + waiting * each
