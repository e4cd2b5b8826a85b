"""The page as Gradio serves it: no heartbeat, no queue, nothing from outside, scripts in order."""

import re
import subprocess
import sys

import gradio as gr
import pytest
from fastapi import FastAPI

from tests.ui.house import inside_a_loop
from webui.ui.page import mount_options
from webui.ui.theme import SCRIPTS, SHEETS, asset, field_help, head


def test_no_tab_of_a_browser_holds_a_connection_open(page):
    assert page.get_config_file()["connect_heartbeat"] is False


def test_nothing_keeps_state_in_gradio_or_stands_in_its_queue(page):
    config = page.get_config_file()
    assert [c for c in config["components"] if c["type"] in ("state", "timer")] == []
    assert [
        d["id"] for d in config["dependencies"] if d["queue"] is not False and d["backend_fn"]
    ] == []


def test_no_handler_is_offered_to_other_clients(page):
    assert [
        d["id"] for d in page.get_config_file()["dependencies"] if d["api_visibility"] != "private"
    ] == []


def test_the_page_can_be_mounted_with_its_options(page):
    app = inside_a_loop(lambda: gr.mount_gradio_app(FastAPI(), page, path="/ui", **mount_options()))
    assert "/ui" in {getattr(route, "path", "") for route in app.routes}


def test_manners_are_switched_off():
    options = mount_options()
    assert options["run_history"] is False
    assert options["footer_links"] == []


def test_head_and_theme_name_no_outside_host():
    text = head() + str(vars(mount_options()["theme"]))
    hosts = set(re.findall(r"https?://([\w.-]+)", text)) - {"www.w3.org"}
    assert hosts == set()


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_never_build_markup_from_text(name):
    code = asset(name)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", code)


@pytest.mark.parametrize("name", [*SCRIPTS, *SHEETS])
def test_assets_stay_short_and_cannot_end_their_element(name):
    text = asset(name)
    assert len(text.splitlines()) <= 400
    assert "</script" not in text
    assert "</style" not in text


def test_every_shown_field_has_a_tooltip():
    assert all(field_help().values())


def test_the_page_needs_no_torch():
    code = (
        "import sys, webui.ui.page\n"
        "sys.exit(bool({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
