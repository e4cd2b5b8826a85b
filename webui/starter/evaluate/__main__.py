"""Measure the starter model: ``python -m webui.starter.evaluate [FOLDER] [--quick]``.

Prints every measure beside its floor and target, and writes them with a contact sheet. Pictures
that were drawn are kept, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import platformdirs
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from webui.starter.evaluate.basics import measure_basics
from webui.starter.evaluate.controlling import measure_controls
from webui.starter.evaluate.inpainting import measure_inpainting
from webui.starter.evaluate.pairs import measure_pairs
from webui.starter.evaluate.plan import FULL, QUICK, Plan
from webui.starter.evaluate.repainting import measure_repainting
from webui.starter.evaluate.report import Findings, Row, Strip, print_rows, write_rows
from webui.starter.evaluate.sheet import write_sheet
from webui.starter.evaluate.studio import Studio

Measure = Callable[[Studio, Plan], Findings]


def list_parts() -> dict[str, Measure]:
    """List the parts of the evaluation by name, in the order they are run."""
    return {
        "basics": measure_basics,
        "pairs": measure_pairs,
        "img2img": measure_repainting,
        "inpaint": measure_inpainting,
        "controls": measure_controls,
    }


def build_parser() -> argparse.ArgumentParser:
    """Declare the command line."""
    parser = argparse.ArgumentParser("webui.starter.evaluate", description=__doc__)
    add = parser.add_argument
    cache = Path(platformdirs.user_cache_dir("palimpsest", appauthor=False)) / "evaluation"
    add("folder", type=Path, nargs="?", default=Path("models/starter"))
    add("--quick", action="store_true", help="fewer pictures; nothing is written without --out")
    add("--parts", nargs="+", choices=list(list_parts()), default=list(list_parts()))
    add("--out", type=Path, help="folder of starter.json and starter.jpg (default: benchmarks)")
    add("--cache", type=Path, default=cache, help="folder for pictures that were drawn")
    add("--threads", type=int, default=2)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure a checkpoint folder, print the table, write the files."""
    options = build_parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console()
    plan = QUICK if options.quick else FULL
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    rows: list[Row] = []
    strips: list[Strip] = []
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("loading", total=None)

        def tell(name: str, done: int, total: int) -> None:
            progress.update(task, description=name, completed=done, total=total)

        studio = Studio(options.folder, options.cache, tell)
        for part in options.parts:
            found = list_parts()[part](studio, plan)
            rows += found.rows
            strips += found.strips
            console.print(f"{part}: measured")
    print_rows(rows, console)
    out: Path | None = options.out or (None if options.quick else Path("benchmarks"))
    if out is not None:
        settings = {"date": f"{date.today():%Y-%m-%d}", "quick": options.quick}
        write_rows(out / "starter.json", rows, studio.digest, settings)
        write_sheet(out / "starter.jpg", strips)
        console.print(f"written: {out / 'starter.json'}, {out / 'starter.jpg'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
