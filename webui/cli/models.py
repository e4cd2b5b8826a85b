"""`webui models export`: a model's folder as one file that other tools' names fit."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from webui.cli import adding, conversion, listing, merging
from webui.library.catalog import Catalog
from webui.settings import Settings, add_flags, collect_flags, open_settings

MB = 1_000_000


def add_commands(commands: Any) -> None:
    """Add `models` with its commands."""
    parser = commands.add_parser("models", help="work with model files")
    actions = parser.add_subparsers(dest="action", required=True)
    export = actions.add_parser(
        "export", help="write a model's folder as one safetensors file", allow_abbrev=False
    )
    export.add_argument("name", metavar="NAME", help="the model, or the path of its folder")
    export.add_argument("out", metavar="OUT.safetensors", type=Path)
    add_flags(export, groups=("folders",))
    export.set_defaults(run=run)
    conversion.add_action(actions, make_catalog)
    merging.add_action(actions, make_catalog)
    listing.add_actions(actions, make_catalog)
    adding.add_action(actions)


def run(parsed: argparse.Namespace) -> int:
    """Export; the file's path and size go to standard output."""
    settings = open_settings(collect_flags(parsed), os.environ)
    folder = Path(parsed.name)
    if not (folder / "config.json").is_file() and not (folder / "model_index.json").is_file():
        folder = make_catalog(settings).resolve(parsed.name, "name").path
    # Everything heavy comes after what can be said at once.
    from webui.weights.exporting import export_checkpoint, export_controlnet  # noqa: PLC0415

    export = export_controlnet if (folder / "config.json").is_file() else export_checkpoint
    size = export(folder, parsed.out)
    sys.stdout.write(f"{parsed.out} ({size / MB:.1f} MB)\n")
    return 0


def make_catalog(settings: Settings) -> Catalog:
    """The models that the server would list."""
    from webui.app.house import open_models  # noqa: PLC0415

    return open_models(settings)[0]
