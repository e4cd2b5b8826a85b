"""The tabs txt2img and img2img: the top row, the layout, and what their buttons do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from webui.ui import actions
from webui.ui.layout import Mode
from webui.ui.outlook import NOTHING, WATCHED, Outlook, outlook
from webui.ui.rendering import Form, icon_button
from webui.ui.services import Services

PROMPT_LINES = {"prompt.positive": 3, "prompt.negative": 2}
PLACEHOLDERS = {
    "prompt.positive": "What the picture should show. Drop an image here to restore its settings.",
    "prompt.negative": "What it should not show",
}
COUNTED = (
    "model.checkpoint",
    "sampling.steps",
    *(f"reading.{name}" for name in actions.READING),
)
"""What a prompt's tokens are counted by, besides its words."""

NEED = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Every handler is short and says nothing to other clients: see `Services` for the long work."""


@dataclass(frozen=True)
class Tab:
    """A built tab: its buttons that talk to the server, and the line below Generate."""

    buttons: Mapping[str, gr.Button]
    outlook: gr.HTML


def build_tab(services: Services, form: Form) -> Tab:
    """Build one tab's content here."""
    with gr.Row(elem_classes=["pal-top"], elem_id=f"{form.mode}_toprow"):
        with gr.Column(scale=6, min_width=240, elem_classes=["pal-prompts"]):
            counters = {path: _prompt(services, form, path) for path in PROMPT_LINES}
        with gr.Column(scale=2, min_width=170, elem_classes=["pal-actions"]):
            buttons = _buttons(form)
            line = _outlook_line(form.mode)
    gr.HTML(
        html_template="<div data-cards></div>",
        js_on_load=None,
        elem_id=f"{form.mode}_cards",
        apply_default_css=False,
    )
    form.render()
    if services.count_tokens is not None:
        for path, counter in counters.items():
            _bind_counter(services, form, path, counter)
    return Tab(buttons, line)


def bind_tab(services: Services, form: Form, tab: Tab, bridge: gr.HTML, undo: gr.HTML) -> None:
    """Connect one tab's buttons and the browser's wishes for it."""
    mode, buttons = form.mode, tab.buttons

    def submit(request: gr.Request, *given: Any) -> dict[str, Any]:
        return actions.submit(services, mode, form.values(given), request.username or "")

    def explain(*given: Any) -> dict[str, Any]:
        return actions.explain(services, mode, form.values(given))

    def restore(action: Callable[[dict[str, Any]], actions.Answer], given: Any) -> list[Any]:
        before = form.values(given)
        values, letter = action(before)
        kept = {"mode": mode, "values": before} if values else gr.skip()
        return [*form.updates(values), letter, kept]

    def read_prompt(*given: Any) -> list[Any]:
        return restore(lambda v: actions.restore_from_text(services, mode, v), given)

    def read_blob(event: gr.EventData, *given: Any) -> list[Any]:
        sha256 = str(getattr(event, "sha256", ""))
        return restore(lambda v: actions.restore_from_blob(services, mode, v, sha256), given)

    def read_artifact(event: gr.EventData, *given: Any) -> list[Any]:
        number = _artifact(event)
        return restore(lambda v: actions.restore_from_artifact(services, mode, v, number), given)

    def take_back(kept: Any) -> list[Any]:
        known = kept if isinstance(kept, dict) and kept.get("mode") == mode else {}
        return form.updates(known.get("values", {}))

    changed = [*form.inputs, bridge, undo]
    for name in ("generate", "enqueue"):
        buttons[name].click(submit, form.inputs, bridge, **NEED)
    buttons["explain"].click(explain, form.inputs, bridge, **NEED)
    buttons["paste"].click(read_prompt, form.inputs, changed, **NEED)
    getattr(bridge, f"restore_{mode}")(read_blob, form.inputs, changed, **NEED)
    getattr(bridge, f"settings_{mode}")(read_artifact, form.inputs, changed, **NEED)
    getattr(bridge, f"undo_{mode}")(take_back, undo, form.inputs, **NEED)


def bind_outlook(
    services: Services, form: Form, tab: Tab, bridge: gr.HTML, page: gr.Blocks
) -> None:
    """Weigh the form when the page opens, at every change that counts, and after each job."""

    def weigh(*given: Any) -> Outlook:
        return outlook(services, form.mode, form.values(given))

    watched: list[Any] = [form.components[name] for name in WATCHED if name in form.components]
    # One listener for all, so that a restored form is weighed once or twice, and not by each field.
    changes = [box.change for box in watched]
    gr.on(changes, weigh, form.inputs, tab.outlook, trigger_mode="always_last", **NEED)
    for source in (page.load, getattr(bridge, f"outlook_{form.mode}")):
        source(weigh, form.inputs, tab.outlook, **NEED)


def bind_send(
    services: Services, form: Form, bridge: gr.HTML, undo: gr.HTML, tabs: gr.Tabs
) -> None:
    """Connect "send to img2img", which fills a tab that may never have been opened."""

    def send(event: gr.EventData, *given: Any) -> list[Any]:
        values, letter = actions.send_to_img2img(services, _artifact(event))
        if not values:
            return [*form.updates({}), letter, gr.skip(), gr.skip()]
        kept = {"mode": form.mode, "values": form.values(given)}
        return [*form.updates(values), letter, kept, gr.update(selected="img2img")]

    bridge.send_img2img(send, form.inputs, [*form.inputs, bridge, undo, tabs], **NEED)


def _artifact(event: gr.EventData) -> int:
    """The number that the browser sent; 0, which nothing is called, for anything else."""
    number = getattr(event, "artifact", 0)
    return number if isinstance(number, int) else 0


def _prompt(services: Services, form: Form, path: str) -> gr.HTML:
    with gr.Column(elem_classes=["pal-prompt"], min_width=0):
        box = form.field(
            path,
            lines=PROMPT_LINES[path],
            placeholder=PLACEHOLDERS[path],
            elem_classes=["pal-prompt-box"],
        )
        assert isinstance(box, gr.Textbox)
        return gr.HTML(
            value=actions.token_count(services, path, {}),
            html_template='<span class="pal-count" aria-label="Tokens"></span>',
            js_on_load="palimpsest.prompts.counter(element, props, watch);",
            apply_default_css=False,
            elem_id=f"{box.elem_id}_counter",
        )


def _bind_counter(services: Services, form: Form, path: str, counter: gr.HTML) -> None:
    """Count at every change of the prompt, as the rest of the form says that it is read."""
    names = [path, *(name for name in COUNTED if name in form.components)]
    box = form.components[path]
    assert isinstance(box, gr.Textbox)

    def count(*given: Any) -> dict[str, Any]:
        return actions.token_count(services, path, dict(zip(names, given, strict=True)))

    box.change(
        count,
        [form.components[name] for name in names],
        counter,
        trigger_mode="always_last",
        **NEED,
    )


def _outlook_line(mode: Mode) -> gr.HTML:
    return gr.HTML(
        value=NOTHING,
        html_template='<span class="pal-outlook-text"></span>'
        '<span class="pal-outlook-note" role="status"></span>',
        js_on_load="palimpsest.outlook.line(element, props, watch);",
        apply_default_css=False,
        elem_id=f"{mode}_outlook",
        elem_classes=["pal-outlook"],
    )


def _buttons(form: Form) -> dict[str, gr.Button]:
    mode: Mode = form.mode
    with gr.Column(elem_classes=["pal-generate-box"], elem_id=f"{mode}_generate_box", min_width=0):
        generate = gr.Button(
            "Generate", variant="primary", elem_id=f"{mode}_generate", elem_classes=["pal-generate"]
        )
        with gr.Row(elem_classes=["pal-running-only"]):
            stop = gr.Button("Stop", elem_id=f"{mode}_interrupt", variant="stop", min_width=60)
            skip = gr.Button("Skip", elem_id=f"{mode}_skip", min_width=60)
            enqueue = icon_button("Queue another run of this form", "plus", f"{mode}_enqueue")
    with gr.Row(elem_classes=["pal-tools"], elem_id=f"{mode}_tools"):
        paste = icon_button(
            "Read settings from the prompt text; if it is empty, from the last job",
            "restore",
            f"{mode}_paste",
        )
        explain = icon_button("Explain how the prompts are read", "explain", f"{mode}_explain")
        cards = icon_button(
            "Models as cards: LoRA, embeddings, checkpoints", "cards", f"{mode}_deck"
        )
        clear = icon_button("Clear both prompts", "clear", f"{mode}_clear_prompt")
        back = icon_button("Undo the last restore", "undo", f"{mode}_undo", "pal-undo")
    form.field("prompt.styles")
    prompts = [form.components["prompt.positive"], form.components["prompt.negative"]]
    stop.click(None, js="() => palimpsest.follow.stop()")
    skip.click(None, js="() => palimpsest.follow.skip()")
    clear.click(None, prompts, prompts, js="(p, n) => palimpsest.prompts.cleared(p, n)")
    back.click(None, js=f"() => palimpsest.bridge.undo('{mode}')")
    cards.click(None, js=f"() => palimpsest.cards.toggle('{mode}')")
    return {"generate": generate, "enqueue": enqueue, "paste": paste, "explain": explain}
