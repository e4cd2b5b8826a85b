"""The tab Convert: pickled files that need conversion, and the user's yes."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from webui.errors import WebuiError
from webui.ui.merger import work_view
from webui.ui.outbox import letter, say
from webui.ui.services import BenchDoor

MB, KB = 1_000_000, 1000
WHY = (
    "Files that end in .ckpt, .pt, .pth or .bin are pickles: they can be made to run programs on "
    "your computer when they are opened, so they are not loaded here. Converting reads their "
    "tensors in a separate process that can call nothing, and writes a .safetensors file beside "
    "them. A file that asks for anything else is refused. The old file stays."
)
NOTHING = "Nothing needs conversion."
ASK = "Convert"


class Conversion:
    """The tab's controls: the list, the question, and its two answers."""

    def __init__(self, bench: BenchDoor) -> None:
        gr.Markdown(WHY, elem_id="convert_why")
        offered = listed(bench)
        self.files = gr.CheckboxGroup(
            offered, label="Needs conversion", elem_id="convert_files", interactive=True
        )
        self.empty = gr.Markdown(NOTHING, visible=not offered, elem_id="convert_nothing")
        with gr.Row(elem_classes=["pal-tight"]):
            self.ask = gr.Button(ASK, variant="primary", elem_id="convert_ask")
            self.refresh = gr.Button("Look again", elem_id="convert_refresh", scale=0)
        with gr.Row(visible=False, elem_id="convert_question") as self.question:
            self.yes = gr.Button("Yes, convert", variant="primary", elem_id="convert_yes")
            self.no = gr.Button("No", elem_id="convert_no")
        work_view("convert_work")


def bind_conversion(
    bench: BenchDoor, tab: Conversion, page: gr.Blocks, bridge: gr.HTML, need: Any
) -> None:
    """Connect the tab's buttons; the list is brought up to date at load too."""

    def ask(names: list[str] | None) -> list[Any]:
        if not names:
            return [letter(say("Choose the files first.", "error", "convert_files")), gr.skip()]
        return [gr.skip(), gr.update(visible=True)]

    def convert(names: list[str] | None) -> list[Any]:
        return [start(bench, names or []), gr.update(visible=False)]

    def look() -> list[Any]:
        offered = listed(bench)
        return [gr.update(choices=offered, value=[]), gr.update(visible=not offered)]

    tab.ask.click(ask, tab.files, [bridge, tab.question], **need)
    tab.yes.click(convert, tab.files, [bridge, tab.question], **need)
    tab.no.click(lambda: gr.update(visible=False), None, tab.question, **need)
    tab.refresh.click(look, None, [tab.files, tab.empty], **need)
    page.load(look, None, [tab.files, tab.empty], **need)


def start(bench: BenchDoor, names: Sequence[str]) -> dict[str, Any]:
    """Begin to convert; an error comes back as a message."""
    try:
        work = bench.convert(names)
    except WebuiError as error:
        return letter(say(error.sentence, "error", "convert_files"))
    return letter(work=work.number)


def listed(bench: BenchDoor) -> list[tuple[str, str]]:
    """The files as choices: name with size, and name."""
    return [(f"{file.name} ({_size(file.size)})", file.name) for file in bench.pickled()]


def _size(count: int) -> str:
    return f"{count / MB:.1f} MB" if count >= MB / 10 else f"{max(1, count // KB)} kB"
