"""The launch flags, made from the declaration."""

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from webui.contract.fields import Leaf, walk
from webui.settings.declaration import Flag, Settings, flag_of
from webui.settings.older import add_older_flags
from webui.settings.texts import from_assignments, parse

_DEST = "setting:"


def add_flags(parser: argparse.ArgumentParser, groups: Collection[str] | None = None) -> None:
    """Give `parser` the flag of every setting (of `groups`) that has one, and `--set` for all."""
    group = parser.add_argument_group("settings")
    for leaf in walk(Settings):
        flag = flag_of(leaf)
        if flag is not None and (groups is None or leaf.path.split(".")[0] in groups):
            _add(group, flag, leaf.path, leaf.param.help.replace("%", "%%"))
    if groups is None or "engine" in groups:
        add_older_flags(group, _DEST)
    group.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest=_DEST + "any",
        help="any setting by its name, as server.port=7861; may be repeated",
    )  # fmt: skip


def collect_flags(parsed: argparse.Namespace) -> dict[str, Any]:
    """Values by path from what `parser` read; raises InvalidRequest on a wrong `--set`."""
    given = vars(parsed)
    values = from_assignments(given.get(_DEST + "any", ()))
    for leaf in walk(Settings):
        value = given.get(_DEST + leaf.path)
        if isinstance(value, list):
            values |= _shared(leaf, cast("list[str]", value), values)
        elif value is not None:
            values[leaf.path] = parse(leaf, value) if isinstance(value, str) else value
    return values


def _shared(leaf: Leaf, given: list[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a flag that was repeated: the first is the leaf's, the others go on."""
    flag = flag_of(leaf)
    assert flag is not None
    own = {} if flag.more == leaf.path else {leaf.path: parse(leaf, given[0])}
    further = tuple(Path(text).expanduser().absolute() for text in given[len(own) :])
    return own | {flag.more: (*values.get(flag.more, ()), *further)} if further else own


def _add(group: Any, flag: Flag, path: str, text: str) -> None:
    if flag.sets is None:
        name = flag.name.removeprefix("--").replace("-", "_").upper()
        action = "append" if flag.more else "store"
        group.add_argument(
            *(flag.name, *flag.also), dest=_DEST + path, metavar=flag.metavar or name,
            help=text, action=action,
        )  # fmt: skip
    else:
        # A missing switch must stay None: it must not override the file with a default.
        group.add_argument(
            flag.name, dest=_DEST + path, action="store_const", const=flag.sets, default=None,
            help=text if flag.sets else f"do not {text[0].lower()}{text[1:]}",
        )  # fmt: skip
