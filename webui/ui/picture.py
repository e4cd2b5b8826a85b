"""The field that holds an image: dropped, pasted or chosen, and kept on the server as a blob."""

from typing import Any

import gradio as gr

FRAME = '<div class="pal-picture" data-picture></div>'


def picture(elem_id: str, label: str) -> gr.HTML:
    """An image field; its value is `{"sha256", "width", "height", "name", "url"}` or None.

    The bytes go to the server untouched, so that orientation, alpha and infotext survive. The
    value comes from the browser: trust nothing in it but the form of the hash.
    """
    return gr.HTML(
        value=None,
        html_template=FRAME,
        js_on_load=f"palimpsest.picture.attach({{element, props, watch, label: {label!r}}});",
        elem_id=elem_id,
        elem_classes=["pal-picture-field"],
        apply_default_css=False,
    )


def picture_value(sha256: str, width: int, height: int, name: str, url: str) -> dict[str, Any]:
    """The value of an image field for a blob that is on the server already."""
    return {"sha256": sha256, "width": width, "height": height, "name": name, "url": url}
