"""From the text of a flag or an environment variable to a value for a leaf."""

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast, get_origin

from pydantic import ValidationError

from webui.contract.fields import Leaf, leaves, nest, walk
from webui.errors import InvalidRequest
from webui.settings.declaration import Settings

PREFIX = "WEBUI_"
_SECRET = {leaf.path for leaf in walk(Settings) if not leaf.info.repr}


def variable_of(path: str) -> str:
    """The environment variable of a leaf: `server.port` is `WEBUI_SERVER__PORT`."""
    return PREFIX + path.replace(".", "__").upper()


def parse(leaf: Leaf, text: str) -> Any:
    """The value that `text` stands for; lists are JSON or separated by commas.

    Raises InvalidRequest where a list is not readable; bounds are checked by `checked`.
    """
    if leaf.annotation in (Path, Path | None):
        return Path(text).expanduser().absolute() if text or leaf.annotation is Path else None
    if get_origin(leaf.annotation) is tuple:
        parts = _parse_list(leaf, text)
        paths = leaf.annotation == tuple[Path, ...]
        return tuple(Path(p).expanduser().absolute() for p in parts) if paths else parts
    return text


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Values by path from the `WEBUI_*` variables; raises InvalidRequest on an unknown name."""
    known = {variable_of(path): leaf for path, leaf in leaves(Settings).items()}
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.upper().startswith(PREFIX) or "__" not in name:
            continue
        leaf = known.get(name.upper())
        if leaf is None:
            sentence = f"The environment variable {name} belongs to no setting."
            raise InvalidRequest(name, sentence + nearest(name.upper(), known))
        values[leaf.path] = parse(leaf, text)
    return values


def from_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Values by path from texts like `server.port=7861`; raises InvalidRequest."""
    known = leaves(Settings)
    values: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise InvalidRequest(path, f"--set takes name=value, not {assignment!r}.")
        leaf = known.get(path.strip())
        if leaf is None:
            sentence = f"There is no setting called {path!r}."
            raise InvalidRequest(path, sentence + nearest(path, known))
        values[leaf.path] = parse(leaf, text)
    return values


def checked(settings: Settings, values: Mapping[str, Any], origin: str) -> Settings:
    """`settings` with `values` by path; raises InvalidRequest naming the first wrong one."""
    try:
        return nest(settings, dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"][:2])
        shown = "this" if path in _SECRET else repr(first["input"])
        sentence = f"{origin} cannot set {path} to {shown}: {first['msg']}."
        raise InvalidRequest(path, sentence) from error


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the closest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _parse_list(leaf: Leaf, text: str) -> tuple[Any, ...]:
    if not text.lstrip().startswith("["):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        return tuple(cast("list[Any]", json.loads(text)))
    except ValueError as error:
        raise InvalidRequest(leaf.path, f"{leaf.path}: {text!r} is not a JSON list.") from error
