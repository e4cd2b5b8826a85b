"""`webui models add`: a model from Hugging Face, Civitai or any address."""

import argparse
import os
import sys
from typing import Any

from webui.cli.progress import agreed, showing
from webui.errors import Conflict, InvalidRequest
from webui.library.download.orders import Choice, Find, Offer
from webui.library.download.parts import unfinished
from webui.library.download.process import accept, fetch, look_up
from webui.settings import add_flags, collect_flags, open_settings

MB = 1_000_000
DESCRIPTION = (
    "ADDRESS is a Hugging Face name (owner/model), or the address of a model's page or file on "
    "Hugging Face or Civitai, or of any file. What there is is shown first. A download that was "
    "cut goes on where it was when it is asked for again. Tokens: HF_TOKEN and CIVITAI_TOKEN in "
    "the environment, or in tokens.env in the data folder."
)


def add_action(actions: Any) -> None:
    """Add `add` to the commands of `models`."""
    parser = actions.add_parser(
        "add", help="download a model", description=DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("address", metavar="ADDRESS", nargs="?", default="")
    parser.add_argument("--file", metavar="NAME", default="", help="which, where there are several")
    parser.add_argument("--yes", action="store_true", help="download without asking")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_flags(parser, groups=("folders", "downloads"))
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Download after a yes; what was made of it goes to standard output."""
    from webui.app.downloads import sites_of  # noqa: PLC0415 - it brings the whole server wing along

    settings = open_settings(collect_flags(parsed), os.environ)
    models_dir, sites = settings.folders.models_dir, sites_of(settings)
    if not parsed.address:
        for left in unfinished(models_dir):
            sys.stdout.write(f"{left.name} ({_size(left.done)} of {_size(left.size)} are here)\n")
        return 0
    found = look_up(parsed.address, sites, models_dir)
    _show(found.offer)
    number = _choose(found, parsed.file)
    order = found.orders[number]
    if not parsed.yes:
        _ask(found.offer.choices[number])
    place = accept(order, models_dir)
    with showing(order.name, parsed.quiet) as report:
        sentence = fetch(place, models_dir, sites, report)
    sys.stdout.write(f"{sentence}\n")
    return 0


def _show(offer: Offer) -> None:
    told = {
        "from": offer.source,
        "licence": offer.licence or "not told",
        "base": offer.base,
        "trigger words": ", ".join(offer.words),
        "free space": _size(offer.free),
    }
    lines = [offer.title, *(f"  {name}: {text}" for name, text in told.items() if text)]
    for choice in offer.choices:
        lines.append(f"  - {describe(choice)}")
    sys.stderr.write("\n".join((*lines, *offer.notices)) + "\n")


def describe(choice: Choice) -> str:
    """A choice in one line: name, kind, size, and what else to know."""
    files = f"{choice.files} files" if choice.files > 1 else ""
    kind = "" if choice.kind == "unknown" else choice.kind.replace("_", " ")
    checked = "" if choice.checked or choice.files > 1 else "no checksum"
    pickled = "pickled: to be converted before use" if choice.pickled else ""
    size = _size(choice.size) if choice.size else "size not told"
    told = ", ".join(text for text in (kind, files, size, checked, pickled) if text)
    return f"{choice.label} ({told})"


def _choose(found: Find, name: str) -> int:
    names = [choice.name for choice in found.offer.choices]
    labels = [choice.label for choice in found.offer.choices]
    if name in names or name in labels:
        return names.index(name) if name in names else labels.index(name)
    if name or len(names) > 1:
        raise InvalidRequest("file", f"Choose one with --file: {', '.join(names)}.")
    return 0


def _ask(choice: Choice) -> None:
    answer = agreed(f"Download {choice.name}, {_size(choice.size)}?")
    if answer is None:
        raise Conflict("Nobody is here to say yes: give --yes to download.")
    if not answer:
        raise Conflict("Nothing was downloaded.")


def _size(count: int) -> str:
    return f"{count / 1000 / MB:.2f} GB" if count >= 1000 * MB else f"{count / MB:.1f} MB"
