"""The looks: Gradio's theme in our colours, and the stylesheets and scripts of `assets/`."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from urllib.parse import quote

import gradio as gr

from webui.contract.effects import EffectForm
from webui.ui.effects import effect_help
from webui.ui.form import LEAVES
from webui.ui.layout import LAYOUTS, QUICK, TOP, fields
from webui.ui.widgets import element_id

SANS = ["system-ui", "-apple-system", "Segoe UI", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
SHEETS = (
    "tokens.css",
    "form.css",
    "live.css",
    "explain.css",
    "cards.css",
    "bench.css",
    "download.css",
    "narrow.css",
)
SCRIPTS = (
    "core.js",
    "transport.js",
    "follow.js",
    "bridge.js",
    "lightbox.js",
    "gallery.js",
    "live.js",
    "picture.js",
    "weights.js",
    "prompts.js",
    "explain.js",
    "outlook.js",
    "card-editor.js",
    "cards.js",
    "bench.js",
    "download.js",
    "keys.js",
    "page.js",
)
"""In order: each may use what stands before it."""


def asset(name: str) -> str:
    """The text of a file in `assets/`."""
    return (files("webui.ui") / "assets" / name).read_text(encoding="utf-8")


def make_theme() -> gr.themes.Base:
    """Gradio's plain theme with our variables; fonts are the system's, nothing is fetched."""
    theme = gr.themes.Base(
        spacing_size=gr.themes.sizes.spacing_sm,
        radius_size=gr.themes.sizes.radius_sm,
        text_size=gr.themes.sizes.text_sm,
        font=SANS,
        font_mono=MONO,
    )
    values = json.loads(asset("theme.json"))
    dark = {f"{name}_dark": value for name, value in values.items()}
    return theme.set(**values, **{n: v for n, v in dark.items() if hasattr(theme, n)})


def stylesheet() -> str:
    """All our CSS, the icons included."""
    return "\n".join([*map(asset, SHEETS), *_icon_rules(json.loads(asset("icons.json")))])


def head(effects: Sequence[EffectForm] = ()) -> str:
    """Our styles and scripts, and what these need to know of the fields, for the page's head.

    Styles go here because Gradio puts its container before each selector of its own `css` option.
    """
    code = "\n".join(map(asset, SCRIPTS))
    facts = json.dumps({"help": field_help(effects)}).replace("<", "\\u003c")
    return (
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{stylesheet()}\n</style>\n"
        f'<script type="application/json" id="pal_facts">{facts}</script>\n'
        f"<script>\n{code}\n</script>"
    )


def field_help(effects: Sequence[EffectForm] = ()) -> dict[str, str]:
    """What each field is for, by the id of its element: shown as a tooltip."""
    told = {"setting_sd_model_checkpoint": LEAVES[QUICK[0]].param.help}
    for mode, layout in LAYOUTS.items():
        for path in (*TOP, *(field.path for field in fields(layout))):
            told[element_id(mode, path)] = LEAVES[path].param.help
        told |= effect_help(mode, effects)
    return told


def _icon_rules(icons: Mapping[str, str]) -> list[str]:
    rules = list[str]()
    for name, path in icons.items():
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
            'stroke="black" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">'
            f'<path d="{path}"/></svg>'
        )
        rules.append(f'.icon-{name} {{ --pal-icon: url("data:image/svg+xml,{quote(svg)}"); }}')
    return rules
