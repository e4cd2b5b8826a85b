"""The doctor's command: findings as a table or as JSON."""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from webui.doctor.facts import Fact, find_folders, find_machine, find_server, find_versions
from webui.doctor.parts import find_attention, find_parts, find_torch
from webui.settings import Settings, add_flags, collect_flags, open_settings

MARKS = {"ok": "", "note": "note", "problem": "problem"}


def add_command(commands: Any) -> None:
    """Add `doctor`."""
    parser = commands.add_parser(
        "doctor", help="say what works here, and why the rest does not", allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    add_flags(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Print every finding; the exit code is 1 where there is a problem."""
    facts = examine(open_settings(collect_flags(parsed), os.environ))
    if parsed.json:
        found = [dataclasses.asdict(fact) for fact in facts]
        sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    else:
        print_facts(facts, Console())
    return 1 if any(fact.health == "problem" for fact in facts) else 0


def examine(settings: Settings) -> list[Fact]:
    """Every finding, in the order in which a reader wants them."""
    return [
        *find_machine(),
        *find_versions(),
        *find_torch(),
        find_attention(settings.engine.attention, settings.engine.device),
        *find_folders(settings),
        *find_server(settings),
        *find_parts(),
    ]


def print_facts(facts: Sequence[Fact], console: Console) -> None:
    """One table, a block for each section, then what to do."""
    table = Table(box=None, pad_edge=False, show_header=False)
    section = ""
    for fact in facts:
        if fact.section != section:
            if section:
                table.add_row()
            section = fact.section
            table.add_row(f"[bold]{section}[/bold]")
        table.add_row(f"  {fact.name}", escape(fact.value), MARKS[fact.health])
    console.print(table)
    advised = [fact for fact in facts if fact.advice]
    for fact in advised:
        console.print(f"\n{fact.health}: {escape(fact.name)}. {escape(fact.advice)}")
    if not any(fact.health == "problem" for fact in facts):
        console.print("\nEverything that is needed works.")
