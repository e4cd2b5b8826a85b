"""A bar for work whose share is told by a callback, and a question that wants a yes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def showing(label: str, quiet: bool = False) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error while the block runs; the callback takes shares of 1."""
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, total=1.0)
        yield lambda share: progress.update(task, completed=share)


def agreed(question: str) -> bool | None:
    """Whether the person says yes; None where nobody is there to be asked."""
    if not sys.stdin.isatty():
        return None
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")
