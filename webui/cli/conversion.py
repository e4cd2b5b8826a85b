"""`webui models convert`: pickled models become safetensors files."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from webui.cli.progress import agreed, showing
from webui.errors import Conflict, NotFound, WebuiError
from webui.library.catalog import Catalog
from webui.library.conversion.process import convert_model, pickled_files
from webui.settings import Settings, add_flags, collect_flags, open_settings

MB = 1_000_000
OpenCatalog = Callable[[Settings], Catalog]
QUESTION = (
    "A pickled model can be made to run programs where other tools open it. Here its tensors are "
    "read by a process that can call nothing, and written as safetensors; the old file stays. "
    "Convert {count} file(s), {size:.0f} MB?"
)


def add_action(actions: Any, open_catalog: OpenCatalog) -> None:
    """Add `convert` to the commands of `models`."""
    parser = actions.add_parser(
        "convert",
        help="write pickled models (.ckpt, .pt, .pth, .bin) as safetensors files",
        description="Without a FILE, lists what needs conversion in the models folder.",
        allow_abbrev=False,
    )
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path)
    parser.add_argument("--all", action="store_true", help="everything that the list shows")
    parser.add_argument("--yes", action="store_true", help="convert without asking")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_flags(parser, groups=("folders",))
    parser.set_defaults(run=lambda parsed: run(parsed, open_catalog))


def run(parsed: argparse.Namespace, open_catalog: OpenCatalog) -> int:
    """Convert or list; the paths of the new files go to standard output."""
    settings = open_settings(collect_flags(parsed), os.environ)
    models_dir = settings.folders.models_dir
    files = _existing(parsed.files) or pickled_files(open_catalog(settings).folders)
    if not parsed.files and not parsed.all:
        _list(files)
        return 0
    if not parsed.yes:
        _ask(files)
    failures = 0
    for file in files:
        try:
            with showing(file.name, parsed.quiet) as report:
                converted = convert_model(file, models_dir, report)
        except WebuiError as error:
            sys.stderr.write(f"{file}: {error.sentence}\n")
            failures += 1
        else:
            what = " ".join((converted.identity.kind, converted.identity.family)).strip()
            sys.stdout.write(f"{converted.path} ({what}, {converted.tensors} tensors)\n")
    return 1 if failures else 0


def _list(files: Sequence[Path]) -> None:
    for file in files:
        sys.stdout.write(f"{file} ({file.stat().st_size / MB:.1f} MB)\n")
    said = f"{len(files)} file(s) need conversion" if files else "Nothing needs conversion"
    sys.stderr.write(f"{said}{': see `models convert --help`' if files else ''}.\n")


def _existing(files: Sequence[Path]) -> Sequence[Path]:
    for file in files:
        if not file.is_file():
            raise NotFound("file", str(file))
    return files


def _ask(files: Sequence[Path]) -> None:
    size = sum(file.stat().st_size for file in files) / MB
    answer = agreed(QUESTION.format(count=len(files), size=size))
    if answer is None:
        raise Conflict("Nobody is here to say yes: give --yes to convert.")
    if not answer:
        raise Conflict("Nothing was converted.")
