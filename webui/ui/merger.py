"""The tab Checkpoint merger: which models, how much of each, and what the new file is like."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component
from pydantic import ValidationError

from webui.contract.merging import MergeRequest, mistake, parse_blocks
from webui.errors import InvalidRequest, NotFound, WebuiError
from webui.ui.outbox import letter, say
from webui.ui.services import BenchDoor, Services

METHODS = [
    ("Weighted sum: A (1 - M) + B M", "weighted_sum"),
    ("Add difference: A + (B - C) M", "add_difference"),
    ("No interpolation: A as it is", "none"),
]
PRECISIONS = [("As in A", ""), ("float16", "fp16"), ("bfloat16", "bf16"), ("float32", "fp32")]
CONFIGS = [("A, B or C", "any"), ("B", "b"), ("C", "c"), ("Don't", "none")]
NO_VAE = "None"
FORMULA = "Empty: the sum as a formula"
HELP = {
    "blocks": "A multiplier for each block of the U-Net: BASE, IN00 to IN11, M00, OUT00 to OUT11 "
    "(26 numbers; for SDXL 20). Empty: M for all.",
    "discard": "A regular expression; tensors whose name it finds are left out.",
}
ELEMENTS = {
    "primary": "modelmerger_primary_model_name",
    "secondary": "modelmerger_secondary_model_name",
    "tertiary": "modelmerger_tertiary_model_name",
    "name": "modelmerger_custom_name",
    "multiplier": "modelmerger_interp_amount",
    "method": "modelmerger_interp_method",
    "blocks": "modelmerger_blocks",
    "precision": "modelmerger_precision",
    "config": "modelmerger_config_method",
    "vae": "modelmerger_bake_in_vae",
    "discard": "modelmerger_discard_weights",
    "save_metadata": "modelmerger_save_metadata",
    "add_recipe": "modelmerger_add_recipe",
    "copy_metadata": "modelmerger_copy_metadata",
    "metadata": "modelmerger_metadata",
}
"""The ids of the older UI's controls, by the request's fields."""

Fields = dict[str, Component]


def build_merger(services: Services, bench: BenchDoor) -> tuple[Fields, gr.Button]:
    """Build the tab's content here; returns its controls by field, and its button."""
    fields: Fields = {}

    def put(name: str, kind: Any, label: str, *given: Any, **more: Any) -> None:
        told = {"label": label, "elem_id": ELEMENTS[name], "interactive": True, "min_width": 160}
        fields[name] = kind(*given, **{**told, "info": HELP.get(name), **more})

    model = {"value": None, "min_width": 280}
    models, vaes = model_choices(services), vae_choices(bench)
    with gr.Row():
        put("primary", gr.Dropdown, "Primary model (A)", models, **model)
        put("secondary", gr.Dropdown, "Secondary model (B)", models, **model)
        put("tertiary", gr.Dropdown, "Tertiary model (C)", models, **model)
    put("method", gr.Radio, "Method", METHODS, value=METHODS[0][1])
    with gr.Row():
        put("multiplier", gr.Slider, "Multiplier (M)", 0, 1, value=0.3, step=0.05, buttons=[])
        put("name", gr.Textbox, "Name of the new model", placeholder=FORMULA, max_lines=1)
    put("blocks", gr.Textbox, "Block weights", max_lines=3)
    with gr.Row():
        put("precision", gr.Dropdown, "Precision", PRECISIONS, value="", filterable=False)
        put("vae", gr.Dropdown, "Bake in VAE", vaes, value="")
        put("config", gr.Dropdown, "Copy .yaml from", CONFIGS, value="any", filterable=False)
    with gr.Accordion("Metadata and weights", open=False, elem_classes=["pal-fold"]):
        put("discard", gr.Textbox, "Discard weights", max_lines=1)
        with gr.Row():
            put("save_metadata", gr.Checkbox, "Save metadata", value=True)
            put("add_recipe", gr.Checkbox, "Add merge recipe", value=True)
            put("copy_metadata", gr.Checkbox, "Copy metadata", value=True)
        put("metadata", gr.Textbox, "Further metadata, as a JSON object", lines=2, max_lines=8)
    button = gr.Button("Merge", variant="primary", elem_id="modelmerger_merge")
    work_view("modelmerger_results")
    return fields, button


def work_view(elem_id: str) -> None:
    """The place that shows how far the bench is."""
    gr.HTML(
        html_template='<div class="pal-work" data-work role="status"></div>',
        js_on_load="palimpsest.bench.attach(element);",
        elem_id=elem_id,
        apply_default_css=False,
    )


def merge(bench: BenchDoor, values: Mapping[str, Any]) -> dict[str, Any]:
    """Begin what the form asks for; an error comes back as a message beside its control."""
    try:
        work = bench.merge(read_form(values))
    except WebuiError as error:
        field = error.field if isinstance(error, InvalidRequest | NotFound) else ""
        return letter(say(error.sentence, "error", ELEMENTS.get(field, "")))
    return letter(work=work.number)


def read_form(values: Mapping[str, Any]) -> MergeRequest:
    """The request that the form describes. Raises InvalidRequest naming the field."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        given["blocks"] = parse_blocks(str(given.get("blocks", "")))
    except ValueError as error:
        raise InvalidRequest("blocks", f"The block weights are no numbers: {error}.") from error
    text = str(given.get("metadata", "")).strip()
    try:
        given["metadata"] = json.loads(text) if text else {}
    except ValueError as error:
        raise InvalidRequest("metadata", f"The metadata is no JSON: {error}.") from error
    try:
        return MergeRequest(**given)
    except ValidationError as error:
        raise mistake(error) from error


def model_choices(services: Services) -> list[tuple[str, str]]:
    """The checkpoints that can be chosen."""
    return [(word.label, word.id) for word in services.words().get("checkpoints", ())]


def vae_choices(bench: BenchDoor) -> list[tuple[str, str]]:
    """The VAEs that can be baked in, and none."""
    return [(NO_VAE, ""), *((name, name) for name in bench.vaes())]
