"""From a field of a model to the Gradio component that edits it."""

import types
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import gradio as gr
from gradio.components import Component

from webui.contract.events import Word
from webui.contract.fields import Leaf

Words = Mapping[str, Sequence[Word]]
Choice = tuple[str, str]

ELEMENTS = {
    "prompt.positive": "prompt",
    "prompt.negative": "neg_prompt",
    "prompt.styles": "styles",
    "sampling.sampler": "sampling",
    "sampling.schedule": "scheduler",
    "sampling.steps": "steps",
    "sampling.cfg_scale": "cfg_scale",
    "canvas.width": "width",
    "canvas.height": "height",
    "canvas.batch_count": "batch_count",
    "canvas.batch_size": "batch_size",
    "canvas.tiling": "tiling",
    "noise.seed": "seed",
    "noise.variation_seed": "subseed",
    "noise.variation_strength": "subseed_strength",
    "noise.resize_from_width": "seed_resize_from_w",
    "noise.resize_from_height": "seed_resize_from_h",
    "source.image": "image",
    "source.denoising_strength": "denoising_strength",
    "source.resize_mode": "resize_mode",
    "hires.upscaler": "hr_upscaler",
    "hires.scale": "hr_scale",
    "hires.steps": "hires_steps",
    "hires.denoising_strength": "hires_denoising_strength",
    "hires.width": "hr_resize_x",
    "hires.height": "hr_resize_y",
    "hires.sampler": "hr_sampler",
    "hires.schedule": "hr_scheduler",
    "hires.prompt": "hires_prompt",
    "hires.negative_prompt": "hires_neg_prompt",
    "hires.cfg_scale": "hr_cfg",
    "hires.checkpoint": "hr_checkpoint",
    "refiner.checkpoint": "checkpoint",
    "refiner.switch_at": "switch_at",
}
"""What the older UI calls these controls after the tab's name; user scripts know them."""

SAME = "Same as first pass"
EMPTY_LABELS = {
    "hires.sampler": SAME,
    "hires.schedule": SAME,
    "hires.checkpoint": SAME,
    "model.checkpoint": "Automatic",
    "model.vae": "Automatic",
}
"""What an empty name means, where a dropdown offers it."""


def element_id(mode: str, path: str) -> str:
    """The id of a field's element in a tab, as `txt2img_steps`."""
    return f"{mode}_{ELEMENTS.get(path, path.replace('.', '_'))}"


def choices(leaf: Leaf, words: Words) -> list[Choice]:
    """The (label, value) pairs that a field may take; empty where it is free."""
    if leaf.param.choices is not None:
        offered = [(word.label, word.id) for word in words.get(leaf.param.choices, ())]
        empty = EMPTY_LABELS.get(leaf.path)
        return [(empty, ""), *offered] if empty else offered
    kind = plain_type(leaf.annotation)
    if get_origin(kind) is Literal:
        return [(_titled(str(value)), value) for value in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [(_titled(str(member.value)), member.value) for member in kind]
    return []


def _titled(value: str) -> str:
    """An id as a label; a value that is not written like an id is its own label."""
    return value.replace("_", " ").capitalize() if value.islower() else value


def plain_type(annotation: Any) -> Any:
    """The type inside Annotated and `| None`."""
    if get_origin(annotation) is Annotated:
        return plain_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [a for a in get_args(annotation) if a is not type(None)]
        return plain_type(inner[0]) if len(inner) == 1 else annotation
    return annotation


def optional(annotation: Any) -> bool:
    """Whether None is a value of its own."""
    return type(None) in get_args(annotation)


def is_open_number(leaf: Leaf) -> bool:
    """Whether a field is a number or nothing: Gradio's number boxes turn nothing into 0."""
    return optional(leaf.annotation) and plain_type(leaf.annotation) in (int, float)


def to_component(leaf: Leaf, value: Any) -> Any:
    """A field's value as its component holds it."""
    if is_open_number(leaf):
        return "" if value is None else str(value)
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def from_component(leaf: Leaf, value: Any) -> Any:
    """What a component sent, ready to be validated as the field's value."""
    if is_open_number(leaf) and isinstance(value, str):
        return value.strip().replace(",", ".") or None
    return value


def widget(
    leaf: Leaf, words: Words, *, mode: str, scale: int = 1, radio: bool = False, **more: Any
) -> Component:
    """The component for a field: dropdown, checkbox, slider, number or text, always enabled."""
    given = {
        "label": leaf.param.label,
        "value": to_component(leaf, leaf.default),
        "elem_id": element_id(mode, leaf.path),
        "interactive": True,
        "scale": scale,
        "min_width": 120,
        **more,
    }
    kind, offered = plain_type(leaf.annotation), choices(leaf, words)
    if get_origin(kind) is tuple:
        return gr.Dropdown(offered, multiselect=True, allow_custom_value=not offered, **given)
    if radio and offered:
        return gr.Radio(offered, **given)
    if offered or leaf.param.choices is not None:
        return gr.Dropdown(offered, filterable=len(offered) > 7, **given)
    if kind is bool:
        return gr.Checkbox(**given)
    if kind in (int, float):
        return _number(leaf, kind, given)
    return gr.Textbox(**{"lines": 2 if leaf.param.multiline else 1, "max_lines": 12, **given})


def _number(leaf: Leaf, kind: type, given: dict[str, Any]) -> Component:
    low, high = leaf.low, leaf.high
    if is_open_number(leaf):
        return gr.Textbox(lines=1, max_lines=1, placeholder="automatic", **given)
    if low is None or high is None or high - low > 100_000:
        return gr.Number(precision=0 if kind is int else None, **given)
    step = leaf.param.step or leaf.multiple_of or (1 if kind is int else 0.01)
    return gr.Slider(
        minimum=low,
        maximum=high,
        step=step,
        precision=0 if kind is int else None,
        buttons=[],
        **{**given, "min_width": 190},
    )
