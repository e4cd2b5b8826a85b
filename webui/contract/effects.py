"""Always-on effects as every face knows them: their name, their fields, and when they are off."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError

from webui.contract.fields import Leaf, get, leaves
from webui.contract.request import ScriptCall

Fields = Mapping[str, str]
"""Infotext fields by key."""


@dataclass(frozen=True, eq=False)
class EffectForm:
    """What an effect asks of a person; page, API and infotext come from it.

    Attributes:
        name: the id in requests, snake_case.
        label: its title on the page and in `alwayson_scripts`.
        args_type: its arguments; fields with `Param` metadata, defaults that change nothing.
        help: one sentence for the page.
        switches: the fields of which one must leave its default for the effect to do anything;
            without any, naming the effect is enough.
        suggested: values by path that the page offers to somebody who switches the effect on.
        aliases: other titles of it in `alwayson_scripts`.
        options: arguments by the older option that means them, as in `override_settings`.
        marker: an infotext key that is "True" in the text of every picture that it took part in.
        spell: from the fields of its arguments to those that are written into infotext.
        unspell: back again, also from the dialects of other tools.
    """

    name: str
    label: str
    args_type: type[BaseModel]
    help: str = ""
    switches: tuple[str, ...] = ()
    suggested: Mapping[str, Any] = field(default_factory=dict[str, Any])
    aliases: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    marker: str = ""
    spell: Callable[[Fields], Fields] = lambda fields: fields
    unspell: Callable[[Fields], Fields] = lambda fields: fields

    @cached_property
    def leaves(self) -> dict[str, Leaf]:
        """The fields of the arguments, by path."""
        return leaves(self.args_type)

    @property
    def is_spelt(self) -> bool:
        """Whether every argument has a place of its own in infotext."""
        return bool(self.leaves) and all(leaf.param.infotext for leaf in self.leaves.values())

    def call(self, args: BaseModel) -> ScriptCall | None:
        """How a request holds the effect with these arguments; None where they do nothing.

        Defaults are left out, so that equal settings are equal calls.
        """
        known = self.leaves
        if self.switches and all(get(args, path) == known[path].default for path in self.switches):
            return None
        return ScriptCall(name=self.name, args=args.model_dump(mode="json", exclude_defaults=True))


def settled(calls: Iterable[ScriptCall], forms: Sequence[EffectForm]) -> tuple[ScriptCall, ...]:
    """The calls as `EffectForm.call` has them, in the order of the forms; unknown ones follow.

    A call whose arguments do not fit is left as it is.
    """
    given = tuple(calls)
    named = {form.name for form in forms}
    found = [_settled(call, form) for form in forms for call in given if call.name == form.name]
    others = [call for call in given if call.name not in named]
    return (*(call for call in found if call is not None), *others)


def _settled(call: ScriptCall, form: EffectForm) -> ScriptCall | None:
    try:
        return form.call(form.args_type.model_validate(call.args))
    except ValidationError:
        return call
