"""What a worker is to the runner, whichever process or host it lives in."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from webui.contract.events import Event, Vocabulary
from webui.contract.items import Item
from webui.contract.worker import Inputs, StopMode


class Worker(Protocol):
    """Runs items one batch at a time; every method but `run` may be called from any thread."""

    def start(self) -> None:
        """Begin to load in the background; returns at once, and a second call does nothing."""
        ...

    def vocabulary(self) -> Vocabulary:
        """Wait until the worker is ready, and tell what it can do.

        Raises Unavailable with a sentence where it cannot start, WorkerLost where it ended.
        """
        ...

    def run(self, items: Sequence[Item], inputs: Inputs) -> Iterator[Event]:
        """Begin to run the items now, and yield their events as they happen.

        Each item ends in exactly one Finished or Failure. Raises WorkerLost from the iterator when
        the worker ends in between.
        """
        ...

    def stop(self, mode: StopMode) -> None:
        """End the present run early, within one sampler step; nothing happens when none is on."""
        ...

    def alive(self) -> bool:
        """Whether it can be given work now or soon."""
        ...

    def close(self) -> None:
        """End the worker and free what it holds; safe to call twice."""
        ...
