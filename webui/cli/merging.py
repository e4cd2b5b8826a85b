"""`webui models merge`: two or three checkpoints become one."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any, get_args

from pydantic import ValidationError

from webui.cli.progress import showing
from webui.contract.merging import MergeRequest, Method, Precision, mistake, parse_blocks
from webui.errors import InvalidRequest
from webui.library.catalog import Catalog
from webui.library.merging import merge_models
from webui.settings import Settings, add_flags, collect_flags, open_settings

OpenCatalog = Callable[[Settings], Catalog]


def add_action(actions: Any, open_catalog: OpenCatalog) -> None:
    """Add `merge` to the commands of `models`."""
    parser = actions.add_parser(
        "merge", help="merge checkpoints into a new one", allow_abbrev=False
    )
    parser.add_argument("primary", metavar="A", help="the checkpoint that is changed")
    parser.add_argument("secondary", metavar="B", nargs="?", default="")
    parser.add_argument("tertiary", metavar="C", nargs="?", default="")
    parser.add_argument(
        "--method", choices=get_args(Method), help="default: by how many models are given"
    )
    parser.add_argument("--multiplier", "-m", type=float, default=0.3, metavar="M")
    parser.add_argument("--blocks", default="", metavar="LIST", help="26 numbers: BASE, IN00, ...")
    parser.add_argument("--name", default="", help="of the new file; default: the sum as a formula")
    parser.add_argument("--precision", choices=[p for p in get_args(Precision) if p], default="")
    parser.add_argument("--vae", default="", help="a VAE to bake in")
    parser.add_argument("--discard", default="", metavar="REGEX", help="weights to leave out")
    parser.add_argument("--no-metadata", action="store_true", help="write none into the file")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_flags(parser, groups=("folders",))
    parser.set_defaults(run=lambda parsed: run(parsed, open_catalog))


def run(parsed: argparse.Namespace, open_catalog: OpenCatalog) -> int:
    """Merge; the new file's path goes to standard output."""
    settings = open_settings(collect_flags(parsed), os.environ)
    request = make_request(parsed)
    with showing("merging", parsed.quiet) as report:
        merged = merge_models(request, open_catalog(settings), settings.folders.models_dir, report)
    sys.stdout.write(f"{merged.path} ({merged.mixed} of {merged.tensors} tensors mixed)\n")
    return 0


def make_request(parsed: argparse.Namespace) -> MergeRequest:
    """What the command line asks for. Raises InvalidRequest."""
    method = parsed.method
    if method is None:
        method = (
            "add_difference" if parsed.tertiary else "weighted_sum" if parsed.secondary else "none"
        )
    names = (
        "primary",
        "secondary",
        "tertiary",
        "multiplier",
        "name",
        "precision",
        "vae",
        "discard",
    )
    try:
        return MergeRequest(
            **{name: getattr(parsed, name) for name in names},
            method=method,
            blocks=parse_blocks(parsed.blocks),
            save_metadata=not parsed.no_metadata,
        )
    except ValidationError as error:
        raise mistake(error) from error
    except ValueError as error:
        raise InvalidRequest("blocks", f"The block weights are no numbers: {error}.") from error
