"""Single files of ours carry the configurations of their parts, which names and shapes lack.

A relative of Stable Diffusion with other block counts, groups or words than its family's cannot be
told from its tensors alone. Our export writes what a folder says of them into the header's free
text under one mark; other tools pass over it.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from webui.errors import UnsupportedModel
from webui.library.headers import Header

MARK = "palimpsest.model"
"""The metadata key: a JSON object with the configurations of a model's folder by part."""

Parts = Mapping[str, Mapping[str, Any]]


def embedded_parts(header: Header) -> Parts | None:
    """The configurations in a single file's header; None where it carries no mark.

    Raises UnsupportedModel where the mark is damaged.
    """
    told = header.metadata.get(MARK)
    if told is None:
        return None
    try:
        loaded = json.loads(told)
    except ValueError as error:
        raise _damaged(str(error)) from error
    if not isinstance(loaded, dict):
        raise _damaged("it is not a JSON object")
    parts = cast("dict[str, Any]", loaded)
    if any(not isinstance(part, dict) for part in parts.values()):
        raise _damaged("a part of it is not a JSON object")
    return cast("dict[str, dict[str, Any]]", parts)


def embedded_part(parts: Parts, name: str) -> dict[str, Any]:
    """One part's configuration. Raises UnsupportedModel where it is missing."""
    if name not in parts:
        raise _damaged(f"it lacks {name}")
    return dict(parts[name])


def _damaged(detail: str) -> UnsupportedModel:
    return UnsupportedModel(
        "The file says that it was exported by Palimpsest, but its description is damaged; "
        "export it again.",
        f"{MARK}: {detail}",
    )
