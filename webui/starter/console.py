"""What the training says: a progress bar on a terminal, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from rich.console import Console as RichConsole
from rich.progress import Progress


class Bar:
    """One stage's progress in percent, with step, mean loss and rate."""

    def __init__(self, name: str, stream: TextIO, every: float) -> None:
        """Show on ``stream``; where that is no terminal, one line each ``every`` seconds."""
        self.name, self.stream, self.every = name, stream, every
        self.live = stream.isatty()
        self.bar = Progress(console=RichConsole(file=stream), disable=not self.live)
        self.task = self.bar.add_task(name, total=1.0)
        self.losses: list[float] = []
        self.told = time.monotonic()
        self.told_step = -1

    def __enter__(self) -> Bar:
        """Begin."""
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the bar."""
        self.bar.stop()

    def show(self, progress: float, step: int, loss: float) -> None:
        """Show progress (0 to 1) after ``step`` steps."""
        self.losses.append(loss)
        if self.told_step < 0:
            self.told_step = step - 1
        now = time.monotonic()
        mean = sum(self.losses) / len(self.losses)
        self.bar.update(
            self.task, completed=progress, description=f"{self.name} step {step} loss {mean:.4f}"
        )
        if now - self.told < self.every:
            return
        rate = (step - self.told_step) / (now - self.told)
        if not self.live:
            self.stream.write(
                f"{self.name} {progress:6.1%} step {step} loss {mean:.4f} "
                f"{rate:.2f} steps/s cpu {time.process_time():.0f} s\n"
            )
            self.stream.flush()
        self.told, self.told_step, self.losses = now, step, []


class Console:
    """Where a run reports."""

    def __init__(self, stream: TextIO | None = None, every: float = 30.0) -> None:
        """Report to ``stream`` (standard error by default)."""
        self.stream = stream or sys.stderr
        self.every = every

    def say(self, line: str) -> None:
        """Write one line."""
        self.stream.write(line + "\n")
        self.stream.flush()

    def bar(self, name: str) -> Bar:
        """Open a progress bar."""
        return Bar(name, self.stream, self.every)
