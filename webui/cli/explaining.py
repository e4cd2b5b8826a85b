"""`webui explain`: how a prompt is read, as tables or as JSON; no model is loaded."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from webui.errors import InvalidRequest
from webui.prompts.explanation import (
    Asked,
    ChunkView,
    Explanation,
    PartView,
    StretchView,
    TokenView,
)
from webui.settings import add_flags, collect_flags, open_settings

MOST_RANGES = 8
"""Stretches of steps that are named for one text; an alternation may have a hundred."""

READING = ("emphasis", "comma_backtrack", "old_editing", "old_emphasis")


def add_command(commands: Any) -> None:
    """Add `explain`."""
    parser = commands.add_parser(
        "explain", help="show how a prompt is read: tokens, weights, steps", allow_abbrev=False
    )
    parser.add_argument("prompt")
    parser.add_argument("--negative", action="store_true", help="read it as a negative prompt")
    parser.add_argument("--steps", type=int, default=20, help="sampling steps [20]")
    parser.add_argument("--hires-steps", type=int, help="steps of a hires pass, shown too")
    parser.add_argument("--sampler", default="", help="some count two calls for each step")
    parser.add_argument("--checkpoint", default="", help="whose tokenizer reads [the default one]")
    parser.add_argument("--emphasis", default="original", help="original, no_norm, ignore, none")
    parser.add_argument("--comma-backtrack", type=int, default=20, help="tokens; 0 is off [20]")
    parser.add_argument("--old-editing", action="store_true", help="timelines as before 1.6")
    parser.add_argument("--old-emphasis", action="store_true", help="the first implementation")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    add_flags(parser, groups=("folders",))
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Print how the prompt is read."""
    from webui.app import open_reader  # noqa: PLC0415 - it brings the whole server wing along

    asked = make_question(parsed)
    told = open_reader(open_settings(collect_flags(parsed), os.environ)).explain(asked)
    if parsed.json:
        sys.stdout.write(told.model_dump_json(indent=1) + "\n")
    else:
        print_explanation(told, Console())
    return 0


def make_question(parsed: argparse.Namespace) -> Asked:
    """What the flags ask; raises InvalidRequest that names the flag."""
    reading = {name: getattr(parsed, name) for name in READING}
    names = ("prompt", "negative", "steps", "hires_steps", "sampler", "checkpoint")
    values = {name: getattr(parsed, name) for name in names}
    try:
        return Asked.model_validate({**values, "reading": reading})
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][-1])
        flag = "prompt" if field == "prompt" else f"--{field.replace('_', '-')}"
        raise InvalidRequest(field, f"{flag}: {first['msg']}.") from error


def print_explanation(told: Explanation, console: Console) -> None:
    """Counter, notices, then each part with its texts over the steps."""
    console.print(f"[bold]{told.used} of {told.room} tokens[/bold]")
    for notice in told.notices:
        console.print(f"[yellow]note:[/yellow] {escape(notice)}")
    for network in told.networks:
        if not network.fault:
            console.print(Text(f"{network.kind} {network.name}: {_strength(network)}"))
    for title, parts in (("", told.parts), ("Hires pass", told.hires)):
        if title and parts:
            console.print(f"\n[bold]{title}[/bold]")
        for number, part in enumerate(parts, 1):
            if len(parts) > 1 or part.weight != 1:
                console.print(f"\n[bold]Part {number}[/bold], weight {part.weight:g}")
            console.print(_table(part, told.unit))


def _table(part: PartView, unit: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(f"{unit}s", no_wrap=len(part.schedule) == 1, vertical="top")
    table.add_column("tokens", ratio=1)
    for number, text in enumerate(part.texts):
        mine = [stretch for stretch in part.schedule if stretch.text == number]
        if mine:
            table.add_row(_ranges(mine), Group(*_chunks(text.chunks)))
    return table


def _ranges(stretches: Sequence[StretchView]) -> str:
    named = [str(s.first) if s.first == s.last else f"{s.first}-{s.last}" for s in stretches]
    return ", ".join(named[:MOST_RANGES]) + (" ..." if len(named) > MOST_RANGES else "")


def _chunks(chunks: Sequence[ChunkView]) -> Iterator[RenderableType]:
    for number, chunk in enumerate(chunks, 1):
        if len(chunks) > 1:
            yield Text(f"chunk {number}: {len(chunk.tokens)} of 75", style="dim")
        words = Text()
        for token in chunk.tokens:
            words.append_text(_token(token))
        yield Padding(words, (0, 0, 1, 0))


def _token(token: TokenView) -> Text:
    """The letters of a token; pieces of one word hang together by a thin sign."""
    ends = token.text.endswith(" ")
    letters = token.text.rstrip(" ")
    if token.weight == 1:
        return Text(letters + (" " if ends else "|"))
    style = "green" if token.weight > 1 else "red"
    return Text(f"{letters}({token.weight:.4g})" + (" " if ends else "|"), style=style)


def _strength(network: Any) -> str:
    rank = "" if network.dyn is None else f", rank {network.dyn}"
    if network.te == network.unet:
        return f"{network.te:g}{rank}"
    return f"{network.te:g} in the text, {network.unet:g} in the picture{rank}"
