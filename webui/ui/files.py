"""The tabs that work on model files: downloads, the merger and the converter."""

from typing import Any

import gradio as gr

from webui.ui import merger
from webui.ui.conversion import Conversion, bind_conversion
from webui.ui.downloads import build_downloads
from webui.ui.services import BenchDoor, Services

NEED = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


class FileTabs:
    """The tabs; they are built inside the page's tabs and bound once the bridge is there."""

    def __init__(self, services: Services, bench: BenchDoor) -> None:
        self._services, self._bench = services, bench
        if services.downloads:
            with gr.Tab("Download", id="download", elem_id="tab_download"):
                build_downloads()
        with gr.Tab("Checkpoint merger", id="modelmerger", elem_id="tab_modelmerger"):
            self.fields, self.merge = merger.build_merger(services, bench)
        with gr.Tab("Convert", id="convert", elem_id="tab_convert") as self.tab:
            self.conversion = Conversion(bench)

    def bind(self, page: gr.Blocks, refresh: gr.Button, bridge: gr.HTML) -> None:
        """Connect the buttons; lists are brought up to date at load and by the page's refresh."""
        names = list(self.fields)

        def begin(*given: Any) -> dict[str, Any]:
            return merger.merge(self._bench, dict(zip(names, given, strict=True)))

        def renew() -> list[Any]:
            models = gr.update(choices=merger.model_choices(self._services))
            return [models, models, models, gr.update(choices=merger.vae_choices(self._bench))]

        listing = [self.fields[n] for n in ("primary", "secondary", "tertiary", "vae")]
        self.merge.click(begin, list(self.fields.values()), bridge, **NEED)
        refresh.click(renew, None, listing, **NEED)
        page.load(renew, None, listing, **NEED)
        bind_conversion(self._bench, self.conversion, page, bridge, NEED)
