"""Scripts on the older surface: by title, with arguments by position."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from webui.contract.events import Word
from webui.contract.fields import Leaf, walk
from webui.contract.request import ScriptCall
from webui.contract.vocabulary import find, nearest
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


def chosen_effects(sent: Mapping[str, Any], effects: Sequence[Word]) -> tuple[ScriptCall, ...]:
    """The always-on scripts that a body asks for; entries that ask for nothing are passed over.

    Raises NotFound for one that is not here.
    """
    calls: list[ScriptCall] = []
    for title, entry in cast("dict[str, Any]", sent.get("alwayson_scripts") or {}).items():
        args: Any = cast("dict[str, Any]", entry).get("args") if isinstance(entry, dict) else entry
        word = find(effects, title)
        if word is None:
            if is_neutral(args):
                continue
            raise _absent(title, [w.label for w in effects], "alwayson_scripts")
        if isinstance(args, dict):
            calls.append(ScriptCall(name=word.id, args=cast("dict[str, Any]", args)))
        elif not args:
            calls.append(ScriptCall(name=word.id))
        else:
            field = f"alwayson_scripts.{title}"
            raise InvalidRequest(field, f"{word.label} takes its arguments by name, as an object.")
    return tuple(calls)


def is_neutral(args: Any) -> bool:
    """Whether the arguments of a script that is not here ask for nothing."""
    if not args:
        return True
    if not isinstance(args, list):
        return _is_off(args)
    first, *rest = cast("list[Any]", args)
    if first is False:  # the switch of most always-on scripts stands first
        return True
    return all(isinstance(a, dict) and _is_off(a) for a in (first, *rest))


def _is_off(unit: Any) -> bool:
    return isinstance(unit, dict) and cast("dict[str, Any]", unit).get("enabled", True) is False


def describe_script(script: Script[Any], is_img2img: bool) -> dict[str, Any]:
    """A script as `script-info` lists it."""
    return {
        "name": script.label.lower(),
        "is_alwayson": False,
        "is_img2img": is_img2img,
        "args": [_describe_arg(leaf) for leaf in walk(script.args_type)],
    }


def _describe_arg(leaf: Leaf) -> dict[str, Any]:
    return {
        "label": leaf.param.label,
        "value": leaf.default,
        "minimum": leaf.low,
        "maximum": leaf.high,
        "step": leaf.param.step,
        "choices": None,
    }


def _find(scripts: Sequence[Script[Any]], title: str, mode: str) -> Script[Any]:
    wanted = title.casefold()
    here = [script for script in scripts if mode in script.modes]
    for script in here:
        if wanted in (script.label.casefold(), script.name.casefold()):
            return script
    raise _absent(title, [script.label for script in here], "script_name")


def _absent(title: str, labels: Sequence[str], field: str) -> NotFound:
    return NotFound("script", title[:200], nearest(labels, title), field)
