"""`webui models list|hash|scan`: what the models folders hold, and by which hashes it is known."""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from webui.errors import NotFound
from webui.library.catalog import Catalog, ModelFile
from webui.library.identify import KINDS, Kind
from webui.settings import Settings, add_flags, collect_flags, open_settings

OpenCatalog = Callable[[Settings], Catalog]


def add_actions(actions: Any, open_catalog: OpenCatalog) -> None:
    """Add `list`, `hash` and `scan`."""
    listed = actions.add_parser("list", help="list the models of a kind", allow_abbrev=False)
    listed.add_argument("kind", nargs="?", choices=KINDS, default=None)
    listed.add_argument("--json", action="store_true", help="print the list as JSON")
    hashed = actions.add_parser("hash", help="compute a model's hashes", allow_abbrev=False)
    hashed.add_argument("names", nargs="+", metavar="NAME")
    scanned = actions.add_parser("scan", help="look at every model file", allow_abbrev=False)
    for parser, run in ((listed, run_list), (hashed, run_hash), (scanned, run_scan)):
        add_flags(parser, groups=("folders",))
        parser.set_defaults(run=lambda parsed, run=run: run(parsed, _open(parsed, open_catalog)))


def run_list(parsed: argparse.Namespace, catalog: Catalog) -> int:
    """One line for each model: kind, family, name."""
    kinds: list[Kind] = [kind for kind in KINDS if parsed.kind in (kind, None)]
    files: list[tuple[Kind, ModelFile]] = [(k, file) for k in kinds for file in catalog.files(k)]
    if parsed.json:
        told = [_described(kind, file) for kind, file in files]
        sys.stdout.write(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        return 0
    for kind, file in files:
        family = file.identity.family if file.identity else ""
        note = f"  ({file.problem})" if file.problem else ""
        sys.stdout.write(f"{kind:<13}{family or '-':<16}{file.title}{note}\n")
    return 0


def run_hash(parsed: argparse.Namespace, catalog: Catalog) -> int:
    """The hashes that people and infotexts call a model by; later lists show them."""
    for name in parsed.names:
        found = next((f for kind in KINDS if (f := catalog.find(kind, name)) is not None), None)
        if found is None:
            raise NotFound("model", name)
        sha256 = catalog.hashes.sha256(found.weights)
        tensors = catalog.hashes.tensors_sha256(found.weights)
        sys.stdout.write(f"{found.name}\n  sha256  {sha256}\n  AutoV2  {sha256[:10]}\n")
        sys.stdout.write(f"  AutoV3  {tensors[:12]}\n")
        if found.old_hash:
            sys.stdout.write(f"  old     {found.old_hash}\n")
    return 0


def run_scan(_parsed: argparse.Namespace, catalog: Catalog) -> int:
    """How many models of each kind there are, and which files were refused."""
    began = time.perf_counter()
    held = catalog.shelf.holdings()
    seconds = time.perf_counter() - began
    for kind, count in Counter(holding.kind for holding in held).most_common():
        sys.stdout.write(f"{count:>7}  {kind}\n")
    for holding in held:
        if holding.finding is not None and holding.finding.problem:
            sys.stdout.write(f"refused: {holding.path}: {holding.finding.problem}\n")
    sys.stdout.write(f"{len(held)} models in {seconds:.2f} s\n")
    return 0


def _described(kind: Kind, file: ModelFile) -> dict[str, Any]:
    return {
        "kind": kind,
        "family": file.identity.family if file.identity else "",
        "variant": file.identity.variant if file.identity else "",
        "name": file.name,
        "path": str(file.path),
        "sha256": file.sha256,
        "problem": file.problem,
    }


def _open(parsed: argparse.Namespace, open_catalog: OpenCatalog) -> Catalog:
    return open_catalog(open_settings(collect_flags(parsed), os.environ))
