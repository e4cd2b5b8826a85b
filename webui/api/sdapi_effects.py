"""Effects on the older surface: always-on scripts by title, and the options that mean them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError

from webui.api.sdapi_scripts import absent_script
from webui.contract.effects import EffectForm, settled
from webui.contract.events import Word
from webui.contract.fields import nest
from webui.contract.request import ScriptCall
from webui.contract.vocabulary import find
from webui.errors import InvalidRequest
from webui.plugins.expansion import parse_args

OF_IMG2IMG = "_img2img"
"""How the name of an option ends that counts for img2img alone, and there before the plain one."""

Calls = dict[str, dict[str, Any]]
"""Arguments by the name of their effect."""


def effect_options(forms: Iterable[EffectForm]) -> dict[str, Any]:
    """The default of every older option that means an argument of an effect."""
    return {name: f.leaves[path].default for f in forms for name, path in f.options.items()}


def check_effect_options(told: Mapping[str, Any], forms: Sequence[EffectForm]) -> None:
    """Raise InvalidRequest for a value that the argument of an effect cannot have."""
    for name, (form, path) in _targets(forms).items():
        if name in told:
            _checked(form, path, told[name], name)


def chosen_effects(
    sent: Mapping[str, Any],
    words: Sequence[Word],
    forms: Sequence[EffectForm],
    remembered: Mapping[str, Any],
    mode: str,
    base: Iterable[ScriptCall] = (),
) -> tuple[ScriptCall, ...]:
    """The effects of a request; of the later of these the word holds for an argument.

    Options that were set; `base`, which an infotext brought; override_settings; alwayson_scripts.
    Raises NotFound for a script that is not here, InvalidRequest for arguments that do not fit.
    """
    defaults = effect_options(forms)
    set_before = {n: v for n, v in remembered.items() if n in defaults and v != defaults[n]}
    calls = _optioned(set_before, forms, mode)
    calls |= {call.name: dict(call.args) for call in base}
    told = cast("dict[str, Any]", sent.get("override_settings") or {})
    override = {name: value for name, value in told.items() if value is not None}
    for name, args in _optioned(override, forms, mode).items():
        calls[name] = calls.get(name, {}) | args
    calls |= _titled(sent.get("alwayson_scripts") or {}, words, forms)
    return settled((ScriptCall(name=name, args=args) for name, args in calls.items()), forms)


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


def _targets(forms: Iterable[EffectForm]) -> dict[str, tuple[EffectForm, str]]:
    """The argument that each option means; those of img2img come last."""
    pairs = [(name, (form, path)) for form in forms for name, path in form.options.items()]
    return dict(sorted(pairs, key=lambda pair: pair[0].endswith(OF_IMG2IMG)))


def _optioned(told: Mapping[str, Any], forms: Sequence[EffectForm], mode: str) -> Calls:
    calls: Calls = {}
    for name, (form, path) in _targets(forms).items():
        value = told.get(name)
        general = not name.endswith(OF_IMG2IMG)
        if name in told and (general or (mode == "img2img" and value)):
            calls.setdefault(form.name, {})[path] = _checked(form, path, value, name)
    return calls


def _titled(sent: Mapping[str, Any], words: Sequence[Word], forms: Sequence[EffectForm]) -> Calls:
    calls: Calls = {}
    offered = [*(_word(form) for form in forms), *words]
    for title, entry in sent.items():
        args: Any = cast("dict[str, Any]", entry).get("args") if isinstance(entry, dict) else entry
        word = find(offered, title)
        if word is None:
            if is_neutral(args):
                continue
            raise absent_script(title, [w.label for w in offered], "alwayson_scripts")
        form = next((form for form in forms if form.name == word.id), None)
        named = _named(args, form, title)
        if named is not None:
            calls[word.id] = named
    return calls


def _named(args: Any, form: EffectForm | None, title: str) -> dict[str, Any] | None:
    """Arguments by name; None where the switch that older scripts begin with is off."""
    field = f"alwayson_scripts.{title}"
    named = cast("dict[str, Any]", args or {})
    if isinstance(args, list) and args:
        given, leaves = cast("list[Any]", args), list(form.leaves.values()) if form else []
        if isinstance(given[0], bool) and not (leaves and leaves[0].annotation is bool):
            on, *given = given
            if not on:
                return None
        if form is None and given:
            raise InvalidRequest(field, f"{title} takes its arguments by name, as an object.")
        paths = [leaf.path for leaf in leaves]
        if len(given) > len(paths):
            takes = f"{title} takes {len(paths)} arguments ({', '.join(paths)})."
            raise InvalidRequest(field, takes)
        named = dict(zip(paths, given, strict=False))
    if form is not None:
        parse_args(form.args_type, named, field)
    return named


def _word(form: EffectForm) -> Word:
    return Word(id=form.name, label=form.label, aliases=form.aliases)


def _checked(form: EffectForm, path: str, value: Any, name: str) -> Any:
    try:
        nest(form.args_type(), {path: value})
    except ValidationError as error:
        field, said = f"override_settings.{name}", error.errors()[0]["msg"]
        raise InvalidRequest(field, f"{name}: {said}.") from error
    return value
