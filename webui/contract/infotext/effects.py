"""Effects in infotext: each argument under a key of its own, as extensions of the older UI wrote.

An effect whose arguments have no keys stands in the field "Effects", as JSON.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from webui.contract.effects import EffectForm, settled
from webui.contract.fields import get, nest
from webui.contract.infotext.values import Unreadable, Words, from_text, shown, to_text
from webui.contract.request import ScriptCall

KEY = "Effects"
_CALLS: TypeAdapter[tuple[ScriptCall, ...]] = TypeAdapter(tuple[ScriptCall, ...])


@dataclass
class FoundEffects:
    """What a text says of effects: the calls, the keys that were of use, and notices."""

    calls: list[ScriptCall] = field(default_factory=list[ScriptCall])
    used: set[str] = field(default_factory=set[str])
    notices: list[str] = field(default_factory=list[str])


def write_effects(
    calls: Iterable[ScriptCall], forms: Sequence[EffectForm], words: Words
) -> dict[str, str]:
    """The fields that tell of these calls."""
    spelt = {form.name: form for form in forms if form.is_spelt}
    fields: dict[str, str] = {}
    others: list[ScriptCall] = []
    for call in settled(calls, forms):
        try:
            fields |= _spelt(spelt[call.name], call, words)
        except (KeyError, ValidationError):
            others.append(call)
    if others:
        listed = [call.model_dump(mode="json") for call in others]
        fields[KEY] = json.dumps(listed, ensure_ascii=False)
    return fields


def read_effects(
    fields: Mapping[str, str],
    forms: Sequence[EffectForm],
    words: Words,
    kept: Sequence[ScriptCall] = (),
) -> FoundEffects:
    """The effects that fields tell of; those of `kept` stay that the text says nothing about."""
    found = FoundEffects()
    silent = {call.name for call in kept}
    for form in forms:
        if form.is_spelt and _read(form, fields, words, found):
            silent.discard(form.name)
    if KEY in fields:
        found.used.add(KEY)
        silent.clear()
        found.calls += _listed(fields[KEY], found)
    found.calls += [call for call in kept if call.name in silent]
    found.calls = list(settled(found.calls, forms))
    return found


def _spelt(form: EffectForm, call: ScriptCall, words: Words) -> dict[str, str]:
    args = form.args_type.model_validate(call.args)
    own = {
        str(leaf.param.infotext): to_text(leaf, get(args, path), words)
        for path, leaf in form.leaves.items()
        if get(args, path) != leaf.default
    }
    marker = {form.marker: "True"} if form.marker else {}
    return marker | dict(form.spell(own))


def _read(form: EffectForm, fields: Mapping[str, str], words: Words, found: FoundEffects) -> bool:
    """Take one effect from the fields; returns whether they speak of it."""
    plain = form.unspell(fields)
    keys = {str(leaf.param.infotext): leaf for leaf in form.leaves.values()}
    told = {key: plain[key] for key in keys if key in plain}
    marker = fields.get(form.marker) if form.marker else None
    if not told and marker is None:
        return False
    found.used |= {key for key in fields if key not in plain} | set(told) | {form.marker}
    if marker == "False":
        return True
    values: dict[str, Any] = {}
    for key, text in told.items():
        try:
            values[keys[key].path], notice = from_text(keys[key], text, words)
        except Unreadable as error:
            notice = str(error)
        found.notices += [notice] if notice else []
    call = form.call(_built(form, values, found))
    found.calls += [call] if call else []
    return True


def _built(form: EffectForm, values: dict[str, Any], found: FoundEffects) -> BaseModel:
    """The arguments with every value that they accept."""
    args = form.args_type()
    for path, value in values.items():
        try:
            args = nest(args, {path: value})
        except ValidationError:
            key = form.leaves[path].param.infotext
            found.notices.append(f"{key} {shown(str(value))!r} is not possible here.")
    return args


def _listed(text: str, found: FoundEffects) -> tuple[ScriptCall, ...]:
    try:
        return _CALLS.validate_json(text)
    except ValidationError:
        found.notices.append(f"Effects {shown(text)!r} could not be read.")
        return ()
