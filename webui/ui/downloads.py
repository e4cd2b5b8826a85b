"""The tab Download: an address, what there is, and the user's yes; the rest goes over HTTP."""

import gradio as gr


def build_downloads() -> None:
    """Build the tab's content here: a place that our own script fills."""
    gr.HTML(
        html_template='<section class="pal-download" data-download></section>',
        js_on_load="palimpsest.download.attach(element);",
        elem_id="download_models",
        apply_default_css=False,
    )
