"""The whole page: checkpoint on top, tabs on the left, the live view on the right."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from webui.contract.effects import EffectForm
from webui.ui.advice import ADVISED, CFG, SIZE, offer_text, offered, warned
from webui.ui.files import FileTabs
from webui.ui.form import LEAVES
from webui.ui.layout import Mode
from webui.ui.outbox import letter, say
from webui.ui.rendering import Form, icon_button
from webui.ui.services import Services
from webui.ui.tabs import NEED, Tab, bind_outlook, bind_send, bind_tab, build_tab
from webui.ui.theme import head, make_theme
from webui.ui.widgets import choices, widget

TITLE = "Palimpsest"
MODES: tuple[Mode, ...] = ("txt2img", "img2img")
WISHES = [
    *(f"{wish}_{mode}" for mode in MODES for wish in ("restore", "settings", "undo", "outlook")),
    "send_img2img",
    "choose_checkpoint",
]
"""Events that our own scripts raise; Gradio finds their names, in quotes, in the bridge's code."""


def build_page(services: Services) -> gr.Blocks:
    """Build the page over what the app hands in; nothing is read or written yet."""
    words = services.words()
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)
    ) as page:
        checkpoint, refresh, offer = _quick_settings(services, words)
        start = _first_values(services)
        forms: dict[Mode, Form] = {
            mode: Form(
                mode,
                words,
                services.scripts,
                {**start, **services.start_values.get(mode, {})},
                services.effects,
            )
            for mode in MODES
        }
        for form in forms.values():
            form.components["model.checkpoint"] = checkpoint
        with gr.Row(elem_id="pal_main"):
            with (
                gr.Column(scale=11, min_width=320, elem_id="pal_forms"),
                gr.Tabs(selected="txt2img", elem_id="tabs") as tabs,
            ):
                built: dict[Mode, Tab] = {}
                for mode, form in forms.items():
                    with gr.Tab(mode, id=mode, elem_id=f"tab_{mode}"):
                        built[mode] = build_tab(services, form)
                files = FileTabs(services, services.bench) if services.bench else None
            with gr.Column(scale=10, min_width=320, elem_id="pal_live"):
                _live_view()
        bridge, undo = _bridge()
        for mode, form in forms.items():
            bind_tab(services, form, built[mode], bridge, undo)
            bind_outlook(services, form, built[mode], bridge, page)
        bind_send(services, forms["img2img"], bridge, undo, tabs)
        if files is not None:
            files.bind(page, refresh, bridge)
        bridge.choose_checkpoint(_chosen, None, checkpoint, **NEED)
        _bind_quick_settings(services, forms, checkpoint, offer, bridge)
        _bind_vocabularies(services, page, refresh, forms)
    return page


def mount_options(effects: Sequence[EffectForm] = ()) -> dict[str, Any]:
    """The keywords for `gr.mount_gradio_app`, all that belongs to the page's looks and manners."""
    return {
        "theme": make_theme(),
        "head": head(effects),
        "run_history": False,
        "footer_links": [],
        "ssr_mode": False,
        "enable_monitoring": False,
        "show_error": False,
    }


def _first_values(services: Services) -> dict[str, Any]:
    """A model draws best at the size it was made for: the page opens with the default one's."""
    advice = services.advice("")
    return {path: getattr(advice, ADVISED[path]) for path in SIZE} if advice else {}


def _quick_settings(services: Services, words: Any) -> tuple[gr.Dropdown, gr.Button, gr.Button]:
    with gr.Row(elem_id="quicksettings", elem_classes=["pal-tight"]):
        gr.HTML(
            '<h1 class="pal-wordmark">Palimpsest</h1>',
            elem_id="pal_wordmark",
            apply_default_css=False,
            js_on_load=None,
        )
        checkpoint = widget(
            LEAVES["model.checkpoint"], words, mode="setting", elem_id="setting_sd_model_checkpoint"
        )
        refresh = icon_button(
            "Look for new models and styles", "refresh", "refresh_sd_model_checkpoint"
        )
        offer = gr.Button(
            "",
            visible=False,
            elem_id="pal_size_offer",
            size="sm",
            scale=0,
            min_width=120,
        )
        gr.HTML(
            html_template='<div data-corner class="pal-corner"></div>',
            elem_id="pal_corner",
            apply_default_css=False,
            js_on_load="palimpsest.page.corner(element);",
        )
    assert isinstance(checkpoint, gr.Dropdown)
    return checkpoint, refresh, offer


def _live_view() -> None:
    gr.HTML(
        html_template='<section class="pal-live" data-live aria-label="Results"></section>',
        js_on_load="palimpsest.live.attach(element);",
        elem_id="pal_live_view",
        apply_default_css=False,
    )


def _bridge() -> tuple[gr.HTML, gr.HTML]:
    names = ", ".join(f"'{name}'" for name in WISHES)
    bridge = gr.HTML(
        value=letter(),
        html_template="<div></div>",
        js_on_load=f"palimpsest.bridge.attach({{props, trigger, watch}}, [{names}]);",
        elem_id="pal_bridge",
        apply_default_css=False,
    )
    undo = gr.HTML(
        value=None,
        html_template="<div></div>",
        js_on_load=None,
        elem_id="pal_undo",
        apply_default_css=False,
    )
    return bridge, undo


def _chosen(event: gr.EventData) -> Any:
    """The checkpoint whose card was clicked."""
    name = getattr(event, "name", "")
    return name if isinstance(name, str) and name else gr.skip()


def _bind_quick_settings(
    services: Services,
    forms: dict[Mode, Form],
    checkpoint: gr.Dropdown,
    offer: gr.Button,
    bridge: gr.HTML,
) -> None:
    """Offer what a checkpoint is best asked for; of its own accord, take guidance back."""
    first = forms[MODES[0]].components
    watched = [checkpoint, *(first[path] for path in ADVISED)]
    fields = [form.components[path] for form in forms.values() for path in ADVISED]
    scales = [form.components[CFG] for form in forms.values()]

    def propose(name: str, *given: Any) -> Any:
        text = offer_text(services, name or "", dict(zip(ADVISED, given, strict=True)))
        return gr.update(value=text, visible=bool(text))

    def accept(name: str, *given: Any) -> list[Any]:
        values = dict(zip(ADVISED, given, strict=True))
        wanted = offered(services.advice(name or ""), values)
        each = [wanted.get(path, gr.skip()) for path in ADVISED]
        return [*(each * len(forms)), gr.update(visible=False)]

    def warn(name: str, cfg_scale: Any) -> list[Any]:
        found = warned(services, name or "", cfg_scale)
        if found is None:
            return [gr.skip() for _ in (*scales, bridge)]
        return [*([found[0]] * len(scales)), letter(say(found[1]))]

    for source in (checkpoint, *(first[path] for path in (*SIZE, CFG))):
        change: Any = getattr(source, "change")  # noqa: B009
        change(propose, watched, offer, **NEED)
    offer.click(accept, watched, [*fields, offer], **NEED)

    def warn_of_card(event: gr.EventData, cfg_scale: Any) -> list[Any]:
        return warn(str(getattr(event, "name", "")), cfg_scale)

    outputs = [*scales, bridge]
    checkpoint.input(warn, [checkpoint, scales[0]], outputs, **NEED)
    bridge.choose_checkpoint(warn_of_card, scales[0], outputs, **NEED)


def _bind_vocabularies(
    services: Services, page: gr.Blocks, refresh: gr.Button, forms: dict[Mode, Form]
) -> None:
    """Bring every dropdown up to date at load and on demand: plugins and files come and go."""
    listed = {
        id(component): (path, component)
        for form in forms.values()
        for path, component in form.components.items()
        if path in LEAVES and LEAVES[path].param.choices and isinstance(component, gr.Dropdown)
    }

    def renew() -> list[Any]:
        words = services.words()
        return [gr.update(choices=choices(LEAVES[path], words)) for path, _ in listed.values()]

    outputs = [component for _, component in listed.values()]
    refresh.click(renew, None, outputs, **NEED)
    page.load(renew, None, outputs, **NEED)
