import gradio as gr
import pytest

from tests.ui.house import WORDS, NotedJobs, inside_a_loop, make_services
from webui.effects.forms import FORMS
from webui.scripts.loopback import Loopback
from webui.ui.layout import QUICK, TOP, Mode
from webui.ui.page import build_page
from webui.ui.rendering import Form
from webui.ui.services import Services


@pytest.fixture
def house(tmp_path) -> tuple[Services, NotedJobs]:
    return make_services(tmp_path)


@pytest.fixture(scope="session")
def page(tmp_path_factory) -> gr.Blocks:
    services, _ = make_services(tmp_path_factory.mktemp("house"))
    return inside_a_loop(lambda: build_page(services))


@pytest.fixture(scope="session")
def values_of():
    """The values that a fresh tab holds, as the browser would send them."""
    made: dict[Mode, dict[str, object]] = {}

    def values(mode: Mode) -> dict[str, object]:
        if mode not in made:
            form = Form(mode, WORDS, (Loopback(),), effects=FORMS)
            inside_a_loop(lambda: render(form))
            made[mode] = {name: getattr(c, "value", None) for name, c in form.components.items()}
        return dict(made[mode])

    return values


def render(form: Form) -> None:
    with gr.Blocks(analytics_enabled=False):
        for path in (*QUICK, *TOP):
            form.field(path)
        form.render()
