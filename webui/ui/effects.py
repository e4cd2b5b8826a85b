"""Effects on a tab: a tick for each, with its arguments behind it; read and filled by name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from pydantic import BaseModel, ValidationError

from webui.contract.effects import EffectForm
from webui.contract.request import ScriptCall
from webui.ui.arguments import read_arguments, show_arguments
from webui.ui.widgets import Words, element_id, widget

PREFIX = "effect:"
SHOW = "(on) => ({__type__: 'update', visible: on})"
PLACE = "effects"
"""What an argument's field begins with, in errors and in the ids of elements."""


def switch(effect: str) -> str:
    """The name under which an effect's tick stands among the values."""
    return f"{PREFIX}{effect}"


def setting(effect: str, path: str) -> str:
    """The name under which an effect's argument stands among the values."""
    return f"{PREFIX}{effect}:{path}"


def collect_effects(
    values: Mapping[str, Any], forms: Iterable[EffectForm]
) -> tuple[ScriptCall, ...]:
    """The effects that are ticked and do something.

    Raises InvalidRequest with the field and a sentence that names it.
    """
    calls = [
        form.call(
            read_arguments(
                form.args_type,
                {path: values[setting(form.name, path)] for path in form.leaves},
                f"{PLACE}.{form.name}.",
            )
        )
        for form in forms
        if values.get(switch(form.name))
    ]
    return tuple(call for call in calls if call is not None)


def fill_effects(calls: Sequence[ScriptCall], forms: Iterable[EffectForm]) -> dict[str, Any]:
    """The values that make a tab say these effects; the others are ready to be switched on."""
    given = {call.name: call.args for call in calls}
    filled: dict[str, Any] = {}
    for form in forms:
        args = _read(form, given.get(form.name))
        filled[switch(form.name)] = args is not None
        shown = show_arguments(args or offered(form))
        filled |= {setting(form.name, path): value for path, value in shown.items()}
    return filled


def offered(form: EffectForm) -> BaseModel:
    """The arguments that an effect starts with when somebody switches it on."""
    return form.args_type.model_validate(dict(form.suggested))


def effect_help(mode: str, forms: Iterable[EffectForm]) -> dict[str, str]:
    """What each argument is for, by the id of its element."""
    return {
        element_id(_place(mode, form), path): leaf.param.help
        for form in forms
        for path, leaf in form.leaves.items()
    }


def render_effects(mode: str, forms: Sequence[EffectForm], words: Words) -> dict[str, Component]:
    """Build the effects of a tab here, folded away; returns their components by name."""
    if not forms:
        return {}
    made: dict[str, Component] = {}
    with gr.Accordion("Effects", open=False, elem_id=f"{mode}_{PLACE}", elem_classes=["pal-fold"]):
        for form in forms:
            made |= _render(mode, form, words)
    return made


def _render(mode: str, form: EffectForm, words: Words) -> dict[str, Component]:
    place, start = _place(mode, form), show_arguments(offered(form))
    made: dict[str, Component] = {}
    with gr.Group(elem_classes=["pal-part"]):
        box = gr.Checkbox(
            value=False,
            label=form.label,
            info=form.help or None,
            elem_id=f"{place}_enable",
            interactive=True,
        )
        made[switch(form.name)] = box
        with gr.Column(visible=False, elem_classes=["pal-part-body"]) as body, gr.Row():
            for path, leaf in form.leaves.items():
                made[setting(form.name, path)] = widget(leaf, words, mode=place, value=start[path])
    box.change(None, box, body, js=SHOW)
    return made


def _place(mode: str, form: EffectForm) -> str:
    return f"{mode}_{PLACE}_{form.name}"


def _read(form: EffectForm, args: Mapping[str, Any] | None) -> BaseModel | None:
    """The arguments of a call; None where there is none, or it does not fit."""
    try:
        return None if args is None else form.args_type.model_validate(dict(args))
    except ValidationError:
        return None
