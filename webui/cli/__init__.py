"""The command line: `python -m webui serve|generate|models|doctor`.

Exit codes: 0 all went well, 1 it did not (a sentence says why), 2 the command line is wrong,
130 it was interrupted.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

import webui
from webui.cli import explaining, generation, models, serving
from webui.doctor import command as doctor
from webui.errors import WebuiError


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="webui", description="Palimpsest, a Stable Diffusion web UI.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=webui.__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    serving.add_command(commands)
    generation.add_commands(commands)
    explaining.add_command(commands)
    models.add_commands(commands)
    doctor.add_command(commands)
    return parser


def begin_logging(command: str) -> None:
    """Let the server tell what it does; the other commands only warn. `WEBUI_DEBUG=1` tells all."""
    level = logging.INFO if command == "serve" else logging.WARNING
    if os.environ.get("WEBUI_DEBUG"):
        level = logging.DEBUG
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "PIL", "asyncio", "multipart", "python_multipart"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parsed = make_parser().parse_args(argv)
    begin_logging(parsed.command)
    try:
        return parsed.run(parsed)
    except WebuiError as error:
        logging.getLogger(__name__).debug("detail: %s", error.detail, exc_info=error)
        sys.stderr.write(f"palimpsest: {error.sentence}\n")
        return 1
    except KeyboardInterrupt:
        return 130
