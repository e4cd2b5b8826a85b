"""Train the starter: ``python -m webui.starter.train --all --workdir W --out models/starter``.

Stages keep what they make in files under the work folder and go on where they were stopped. With
``--all`` every stage takes its share of the time; with ``--stage`` one stage takes all of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import torch

from webui.errors import WebuiError
from webui.starter.console import Console
from webui.starter.networks import WIDTHS
from webui.starter.practice import Outcome
from webui.starter.stages import list_stages
from webui.starter.workshop import Workshop

TINY = {
    "sizes": (64, 96),
    "scenes": 12,
    "large_scenes": 8,
    "theme_scenes": 6,
    "sharp_scenes": 3,
    "captions": 80,
    "reading_steps": 5,
    "batch": 2,
    "widths": (16, 24, 32, 32),
    "large_from": 0.5,
    "steps": 30,
    "threads": 1,
}
"""Options of a rehearsal: every stage whole, the UNet narrow, the pictures few and small."""


def build_parser() -> argparse.ArgumentParser:
    """Declare the command line."""
    parser = argparse.ArgumentParser("webui.starter.train", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="run every stage in order")
    names = [stage.name for stage in list_stages()]
    which.add_argument("--stage", choices=names, help="run this stage; those before it are done")
    add = parser.add_argument
    add("--workdir", type=Path, required=True, help="folder for everything a run needs to resume")
    add("--out", type=Path, required=True, help="folder of the finished checkpoint")
    add("--tiny", action="store_true", help="rehearse: few small pictures, 30 steps a stage")
    add("--minutes", type=float, default=60.0, help="wall-clock minutes, of all stages together")
    add("--until", help="wall-clock time HH:MM at which to be finished, instead of minutes")
    add("--steps", type=int, default=0, help="steps of each stage, instead of minutes")
    add("--further", action="store_true", help="train a finished stage again from its weights")
    add("--start-from", type=Path, help="a checkpoint whose weights the UNet begins with")
    add("--sizes", type=int, nargs=2, default=(128, 256), help="picture sizes, the native one last")
    add("--scenes", type=int, default=12_000, help="pictures at the smaller size")
    add("--large-scenes", type=int, default=4_000, help="pictures at the native size")
    add("--theme-scenes", type=int, default=2_000, help="pictures for ink, LoRA, words and poses")
    add("--sharp-scenes", type=int, default=240, help="pictures for the upscalers")
    add("--crowd", type=int, default=2, help="most things in a scene that the UNet is shown")
    add("--captions", type=int, default=20_000, help="captions the tokenizer learns from")
    add("--reading-steps", type=int, default=400, help="steps that teach the text encoder alone")
    add("--batch", type=int, default=16, help="pictures a step of whatever works on latents")
    add("--widths", type=int, nargs=4, default=WIDTHS, help="channels of the UNet's levels")
    add("--rate", type=float, default=0.0, help="highest learning rate, instead of the stage's own")
    add("--decay", type=float, default=0.998, help="decay of the UNet's moving average")
    add("--large-from", type=float, default=0.5, help="share of the UNet's run before native size")
    add("--save-minutes", type=float, default=4.0)
    add("--export-minutes", type=float, default=15.0)
    add("--partners", type=int, default=0, help="more processes, one core each, for the UNet")
    add("--threads", type=int, default=0)
    add("--device", default="cpu")
    add("--seed", type=int, default=0)
    return parser


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; a rehearsal has its own defaults."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.tiny:
        parser.set_defaults(**TINY)
        options = parser.parse_args(arguments)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages asked for; returns the exit status."""
    options = parse_options(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        run_stages(options, Console())
    except WebuiError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 1
    return 0


def run_stages(options: argparse.Namespace, console: Console) -> dict[str, Outcome]:
    """Run one stage or all of them; returns what those learned that learn.

    Time that a stage leaves or overdraws is shared among the stages after it. Raises Unavailable
    where a stage needs what an earlier one has not made.
    """
    stages = [stage for stage in list_stages() if options.all or stage.name == options.stage]
    end = time.monotonic() + count_seconds(options)
    outcomes: dict[str, Outcome] = {}
    for index, stage in enumerate(stages):
        shares = sum(later.share for later in stages[index:])
        left = max(end - time.monotonic(), 1.0)
        shop = Workshop(options, console, left * stage.share / shares if shares else left)
        outcome = stage.work(shop)
        if outcome is not None:
            outcomes[stage.name] = outcome
    return outcomes


def count_seconds(options: argparse.Namespace) -> float:
    """Tell how many seconds there are, from ``--until`` where given, else ``--minutes``."""
    if not options.until:
        return options.minutes * 60
    now = datetime.now()
    end = datetime.combine(now.date(), datetime.strptime(options.until, "%H:%M").time())
    if end < now - timedelta(hours=12):
        end += timedelta(days=1)
    return max((end - now).total_seconds(), 1.0)


if __name__ == "__main__":
    raise SystemExit(main())
