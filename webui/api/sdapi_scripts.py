"""Selectable scripts on the older surface: by title, with arguments by position."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel

from webui.contract.fields import Leaf, walk
from webui.contract.request import ScriptCall
from webui.contract.vocabulary import nearest
from webui.errors import InvalidRequest, NotFound
from webui.plugins.scripts import Script

NOTHING = ("", "none")


def chosen_script(
    sent: Mapping[str, Any], scripts: Sequence[Script[Any]], mode: str
) -> ScriptCall | None:
    """The script that a body names; arguments come by position, or by name as an object.

    Raises NotFound, or InvalidRequest for arguments that do not fit.
    """
    title = str(sent.get("script_name", "")).strip()
    if title.casefold() in NOTHING:
        return None
    script = _find(scripts, title, mode)
    given = cast("list[Any] | dict[str, Any]", sent.get("script_args") or [])
    names = [leaf.path for leaf in walk(script.args_type)]
    if isinstance(given, dict):
        return ScriptCall(name=script.name, args=given)
    if given and len(given) != len(names):
        raise InvalidRequest(
            "script_args",
            f"{script.label} takes {len(names)} arguments ({', '.join(names)}), not {len(given)}.",
        )
    return ScriptCall(name=script.name, args=dict(zip(names, given, strict=False)))


def describe_script(
    label: str, args_type: type[BaseModel], *, is_img2img: bool, is_alwayson: bool
) -> dict[str, Any]:
    """A script as `script-info` lists it."""
    return {
        "name": label.lower(),
        "is_alwayson": is_alwayson,
        "is_img2img": is_img2img,
        "args": [_describe_arg(leaf) for leaf in walk(args_type)],
    }


def _describe_arg(leaf: Leaf) -> dict[str, Any]:
    return {
        "label": leaf.param.label,
        "value": leaf.default,
        "minimum": leaf.low,
        "maximum": leaf.high,
        "step": leaf.param.step,
        "choices": _choices(leaf),
    }


def _choices(leaf: Leaf) -> list[Any] | None:
    is_closed = get_origin(leaf.annotation) is Literal
    return list(get_args(leaf.annotation)) if is_closed else None


def _find(scripts: Sequence[Script[Any]], title: str, mode: str) -> Script[Any]:
    wanted = title.casefold()
    here = [script for script in scripts if mode in script.modes]
    for script in here:
        if wanted in (script.label.casefold(), script.name.casefold()):
            return script
    raise absent_script(title, [script.label for script in here], "script_name")


def absent_script(title: str, labels: Sequence[str], field: str) -> NotFound:
    """The error for a script that is not here."""
    return NotFound("script", title[:200], nearest(labels, title), field)
