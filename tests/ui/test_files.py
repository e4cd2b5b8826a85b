"""The tabs that work on model files."""

from dataclasses import replace

import gradio as gr
import pytest

from tests.ui.bench import NotedBench
from tests.ui.house import inside_a_loop, make_services
from webui.errors import InvalidRequest
from webui.ui import conversion, merger
from webui.ui.page import build_page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> gr.Blocks:
    services, _ = make_services(tmp_path_factory.mktemp("house"))
    return inside_a_loop(lambda: build_page(replace(services, bench=NotedBench(), downloads=True)))


def test_the_tabs_are_there_with_the_older_ids(page: gr.Blocks) -> None:
    config = page.get_config_file()
    ids = {c["props"].get("elem_id") for c in config["components"]}
    assert {"tab_modelmerger", "tab_convert", *merger.ELEMENTS.values()} <= ids
    assert {"tab_download", "download_models"} <= ids
    assert {"modelmerger_merge", "convert_files", "convert_yes"} <= ids


def test_they_keep_the_manners_of_the_page(page: gr.Blocks) -> None:
    config = page.get_config_file()
    assert [c for c in config["components"] if c["type"] in ("state", "timer")] == []
    handlers = [d for d in config["dependencies"] if d["backend_fn"]]
    assert all(d["queue"] is False and d["api_visibility"] == "private" for d in handlers)


def test_a_filled_form_becomes_a_request() -> None:
    bench = NotedBench()
    blocks = ", ".join(["0.5"] * 26)
    told = merger.merge(
        bench,
        {"primary": "a", "secondary": "b", "tertiary": None, "method": "weighted_sum",
         "multiplier": 0.4, "name": "", "blocks": blocks, "precision": "fp16", "vae": "",
         "config": "any", "discard": "", "save_metadata": True, "add_recipe": True,
         "copy_metadata": True, "metadata": '{"mine": 1}'},
    )  # fmt: skip
    assert told["work"] == 2
    (asked,) = bench.merged
    assert (asked.secondary, asked.tertiary, asked.precision) == ("b", "", "fp16")
    assert asked.blocks == (0.5,) * 26
    assert asked.metadata == {"mine": 1}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"blocks": "1, x"}, "blocks"),
        ({"blocks": "1, 2"}, "blocks"),
        ({"metadata": "{"}, "metadata"),
        ({"metadata": "[1]"}, "metadata"),
        ({"name": "../x"}, "name"),
        ({"primary": None}, "primary"),
        ({"secondary": None}, "secondary"),
        ({"discard": "("}, "discard"),
    ],
)
def test_a_mistake_is_shown_at_its_control(more: dict[str, object], field: str) -> None:
    values = {"primary": "a", "secondary": "b", "method": "weighted_sum", **more}
    with pytest.raises(InvalidRequest) as raised:
        merger.read_form(values)
    assert raised.value.field == field
    told = merger.merge(NotedBench(), values)
    assert told["messages"][0]["element"] == merger.ELEMENTS[field]


def test_files_are_offered_with_their_size_and_converted_after_a_yes() -> None:
    bench = NotedBench()
    assert conversion.listed(bench) == [("Lora/style.pt (2.5 MB)", "Lora/style.pt")]
    assert conversion.start(bench, ["Lora/style.pt"])["work"] == 1
    assert conversion.start(bench, ["gone.pt"])["messages"][0]["kind"] == "error"
    assert bench.converted == ["Lora/style.pt"]
