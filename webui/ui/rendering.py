"""From the layout to Gradio components: rows, folds, parts with a tick, and the small buttons."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.contract.effects import EffectForm
from webui.contract.fields import leaves
from webui.plugins.scripts import Script
from webui.ui.effects import SHOW, render_effects
from webui.ui.form import (
    BY,
    LEAVES,
    NO_SCRIPT,
    RESIZE_BY,
    RESIZE_CHOICE,
    SCRIPT,
    TO,
    Values,
    argument,
    tick,
)
from webui.ui.layout import LAYOUTS, At, Fold, Mode, Node, Part, Row, Slot, Stack
from webui.ui.picture import picture
from webui.ui.widgets import Words, element_id, widget

SHOW_ONE = (
    f"(to) => [true, false, false].map((by) => "
    f"({{__type__: 'update', visible: by === (to === '{BY}')}}))"
)
SWAP = "(width, height) => [height, width]"
DICE = "() => -1"
REUSE = "(seed) => palimpsest.gallery.seed() ?? seed"
FIT = "(image, width, height) => palimpsest.picture.size(image) ?? [width, height]"


def icon_button(label: str, icon: str, elem_id: str, more: str = "") -> gr.Button:
    """A square button whose text is read aloud but not shown."""
    return gr.Button(
        label,
        elem_id=elem_id,
        elem_classes=["pal-icon-button", f"icon-{icon}", *more.split()],
        size="sm",
        min_width=36,
        scale=0,
    )


class Form:
    """The components of one tab by the names of their values.

    `components` holds fields by path, ticks, and the script's controls; `values` and `updates`
    translate between Gradio's positional lists and names; `start` replaces defaults of fields.
    """

    def __init__(
        self,
        mode: Mode,
        words: Words,
        scripts: Sequence[Script[Any]],
        start: Mapping[str, Any] | None = None,
        effects: Sequence[EffectForm] = (),
    ) -> None:
        self.mode: Mode = mode
        self.start = dict(start or {})
        self.words = words
        self.scripts = [script for script in scripts if mode in script.modes]
        self.components: dict[str, Component] = {}
        self._slots: Mapping[str, Callable[[], None]] = {
            "swap": self._swap,
            "dice": lambda: self._dice("noise.seed", "random_seed"),
            "variation_dice": lambda: self._dice("noise.variation_seed", "random_subseed"),
            "reuse_seed": self._reuse_seed,
            "resize_choice": self._resize_choice,
            "resize_by": self._resize_by,
            "size_from_image": self._size_from_image,
            "effects": lambda: self.components.update(
                render_effects(self.mode, effects, self.words)
            ),
            "script": self._script,
        }
        self._bindings: list[Callable[[], None]] = []

    def field(self, path: str, *, scale: int = 1, radio: bool = False, **more: Any) -> Component:
        """Make the component of a field and remember it."""
        leaf = LEAVES[path]
        if path in self.start:
            more["value"] = self.start[path]
        if path == "source.image":
            made: Component = picture(element_id(self.mode, path), leaf.param.label)
        else:
            made = widget(leaf, self.words, mode=self.mode, scale=scale, radio=radio, **more)
        self.components[path] = made
        return made

    def render(self) -> None:
        """Build the tab's layout here, inside the present Gradio context."""
        self._node(LAYOUTS[self.mode])
        for bind in self._bindings:
            bind()

    @property
    def inputs(self) -> list[Component]:
        """Every component, in the order that `values` and `updates` speak of."""
        return list(self.components.values())

    def values(self, given: Sequence[Any]) -> Values:
        """What the browser sent, by name."""
        return dict(zip(self.components, given, strict=True))

    def updates(self, values: Mapping[str, Any]) -> list[Any]:
        """One update for each component; those that `values` does not name stay as they are."""
        return [
            gr.update(value=values[name]) if name in values else gr.skip()
            for name in self.components
        ]

    def _node(self, node: Node) -> None:
        if isinstance(node, At):
            self.field(node.path, scale=node.scale, radio=node.radio)
        elif isinstance(node, Slot):
            self._slots[node.name]()
        elif isinstance(node, Row):
            with gr.Row(elem_classes=["pal-tight"] if node.tight else None):
                self._nodes(node.children)
        elif isinstance(node, Stack):
            with gr.Column(scale=node.scale, min_width=node.width, elem_classes=["pal-stack"]):
                self._nodes(node.children)
        elif isinstance(node, Fold):
            with gr.Accordion(
                node.label,
                open=False,
                elem_id=f"{self.mode}_{node.name}",
                elem_classes=["pal-fold"],
            ):
                self._nodes(node.children)
        else:
            self._part(node)

    def _nodes(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._node(node)

    def _part(self, node: Part) -> None:
        with gr.Group(elem_classes=["pal-part"]):
            box = gr.Checkbox(
                value=False,
                label=node.label,
                elem_id=f"{self.mode}_{node.name}_enable",
                interactive=True,
            )
            self.components[tick(node.name)] = box
            with gr.Column(visible=False, elem_classes=["pal-part-body"]) as body:
                self._nodes(node.children)
        box.change(None, box, body, js=SHOW)

    def _swap(self) -> None:
        button = icon_button("Swap width and height", "swap", f"{self.mode}_res_switch_btn")
        self._later(button, ["canvas.width", "canvas.height"], SWAP)

    def _dice(self, path: str, name: str) -> None:
        button = icon_button("Draw a new seed each time", "dice", f"{self.mode}_{name}")
        self._later(button, [path], DICE, inputs=[])

    def _reuse_seed(self) -> None:
        button = icon_button(
            "Reuse the seed of the picture shown", "reuse", f"{self.mode}_reuse_seed"
        )
        self._later(button, ["noise.seed"], REUSE)

    def _size_from_image(self) -> None:
        button = icon_button(
            "Take the size of the source image", "measure", f"{self.mode}_detect_image_size_btn"
        )
        size = ["canvas.width", "canvas.height"]
        self._later(button, size, FIT, inputs=["source.image", *size])

    def _later(
        self, button: gr.Button, outputs: list[str], js: str, inputs: list[str] | None = None
    ) -> None:
        """Bind a button once all its fields exist."""

        def bind() -> None:
            sent = outputs if inputs is None else inputs
            button.click(
                None,
                [self.components[name] for name in sent],
                [self.components[name] for name in outputs],
                js=js,
            )

        self._bindings.append(bind)

    def _resize_choice(self) -> None:
        self.components[RESIZE_CHOICE] = gr.Radio(
            [("Resize to", TO), ("Resize by", BY)],
            value=TO,
            label="Size of the result",
            show_label=False,
            elem_id=f"{self.mode}_resize_choice",
            interactive=True,
        )

    def _resize_by(self) -> None:
        with gr.Column(visible=False, elem_classes=["pal-stack"]) as body:
            self.components[RESIZE_BY] = gr.Slider(
                0.05,
                4.0,
                value=1.0,
                step=0.05,
                label="Scale",
                elem_id=f"{self.mode}_scale",
                interactive=True,
                buttons=[],
            )
            gr.HTML(
                html_template='<span class="pal-hint" data-scale-hint></span>',
                js_on_load="setTimeout(palimpsest.picture.hint, 100);",
                elem_id=f"{self.mode}_scale_resolution_preview",
                apply_default_css=False,
            )
        choice = self.components[RESIZE_CHOICE]
        sizes = [self.components[path] for path in ("canvas.width", "canvas.height")]
        assert isinstance(choice, gr.Radio)
        choice.change(None, choice, [body, *sizes], js=SHOW_ONE)

    def _script(self) -> None:
        if not self.scripts:
            return
        chooser = gr.Dropdown(
            [("None", NO_SCRIPT), *((script.label, script.name) for script in self.scripts)],
            value=NO_SCRIPT,
            label="Script",
            elem_id=f"{self.mode}_script_list",
            interactive=True,
        )
        self.components[SCRIPT] = chooser
        for script in self.scripts:
            with gr.Group(visible=False, elem_classes=["pal-part"]) as body:
                for path, leaf in leaves(script.args_type).items():
                    name = argument(script.name, path)
                    self.components[name] = widget(
                        leaf, self.words, mode=f"script_{self.mode}_{script.name}"
                    )
            chooser.change(
                None,
                chooser,
                body,
                js=f"(name) => ({{__type__: 'update', visible: name === '{script.name}'}})",
            )
