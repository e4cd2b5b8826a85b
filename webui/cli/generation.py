"""`webui generate txt2img|img2img`: pictures without the page, by a worker in this process."""

import argparse
import os
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from webui.cli.wishes import Surroundings, add_field_flags, make_request
from webui.jobs.views import JobView
from webui.settings import Settings, add_flags, collect_flags, open_settings

POLL_SECONDS = 0.1
EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


class JobDoor(Protocol):
    """The part of `webui.jobs.service.Jobs` that is used here."""

    def submit(self, request: Any, owner: str = "") -> JobView:
        """Queue a request."""
        ...

    def get(self, id: int) -> JobView:
        """The job as it is now."""
        ...

    def stop(self, id: int, mode: Any = "stop") -> JobView:
        """End the job early."""
        ...


class LocalHouse(Surroundings, Protocol):
    """What `webui.app.make_local_jobs` gives: jobs that run in this process, already started."""

    @property
    def jobs(self) -> JobDoor:
        """Where requests go."""
        ...


def add_commands(commands: Any) -> None:
    """Add `generate` with a command for each mode."""
    parser = commands.add_parser("generate", help="make pictures without the page")
    modes = parser.add_subparsers(dest="mode", required=True)
    for mode, text in (("txt2img", "from words"), ("img2img", "from a picture and words")):
        made = modes.add_parser(mode, help=text, allow_abbrev=False)
        made.add_argument(
            "--out", type=Path, metavar="DIR", help="folder for the pictures [the outputs folder]"
        )
        made.add_argument("--quiet", action="store_true", help="no progress bar")
        add_field_flags(made, with_source=mode == "img2img")
        add_flags(made, groups=("folders", "extensions"))
        made.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Make the pictures; their paths go to standard output, one to a line."""
    settings = open_settings(collect_flags(parsed), os.environ)
    out = (parsed.out or settings.folders.outputs_dir).absolute()
    console = Console(stderr=True, quiet=parsed.quiet)
    with open_local_jobs(settings, out) as local:
        job = local.jobs.submit(make_request(parsed, local), owner="cli")
        job, interrupted = follow(local.jobs, job, console)
    return report(job, out, interrupted)


def open_local_jobs(settings: Settings, out: Path) -> AbstractContextManager[LocalHouse]:
    """The in-process house; torch is imported here and not before."""
    from webui.app import make_local_jobs  # noqa: PLC0415

    return make_local_jobs(settings, out)


def follow(jobs: JobDoor, job: JobView, console: Console) -> tuple[JobView, bool]:
    """Show progress until the job has ended.

    The first Ctrl+C stops it and keeps what is there; a second one discards the present picture.
    """
    presses = 0
    with make_progress(console) as progress:
        task = progress.add_task("starting", total=None, eta="")
        while not job.ended:
            try:
                time.sleep(POLL_SECONDS)
                job = jobs.get(job.id)
                show(progress, task, job)
            except KeyboardInterrupt:
                presses += 1
                job = jobs.stop(job.id, "stop" if presses == 1 else "cancel")
    return job, presses > 0


def make_progress(console: Console) -> Progress:
    """The bar, with the step and what is left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[eta]}"),
        console=console,
    )


def show(progress: Progress, task: TaskID, job: JobView) -> None:
    """Bring the bar to where the job is: the present picture's steps, at the end the pictures."""
    if job.ended:
        count = len(job.items)
        made = sum(bool(item.artifacts) for item in job.items)
        progress.update(task, description=job.state, total=count, completed=made, eta="")
        return
    number = "" if job.current_item is None else f" {job.current_item + 1}/{len(job.items)}"
    eta = "" if job.eta_seconds is None else f"{job.eta_seconds:.0f} s left"
    progress.update(
        task,
        description=f"{job.stage or job.state}{number}",
        total=job.steps or None,
        completed=job.step,
        eta=eta,
    )


def report(job: JobView, out: Path, interrupted: bool) -> int:
    """Write the paths, and a sentence for what went wrong; returns the exit code."""
    for artifact in job.artifacts:
        sys.stdout.write(f"{out / artifact.path}\n")
    sys.stdout.flush()
    for notice in job.notices:
        sys.stderr.write(f"palimpsest: {notice}\n")
    if job.first_error is not None:
        sys.stderr.write(f"palimpsest: {job.first_error.sentence}\n")
    if interrupted:
        return EXIT_INTERRUPTED
    return 0 if job.state == "done" else EXIT_FAILED
