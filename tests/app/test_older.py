"""An older installation's defaults are taken over where a field here takes them."""

import json
from pathlib import Path

import pytest

from webui.app.older import FILE, older_values
from webui.contract.vocabulary import builtin

TOLD = {
    "txt2img/Sampling steps/value": 28,
    "txt2img/Sampling steps/maximum": 200,
    "txt2img/Sampling method/value": "Euler a",
    "txt2img/Width/value": 768,
    "txt2img/Height/value": 100_000_000,
    "txt2img/CFG Scale/value": 5.5,
    "txt2img/Batch size/value": "four",
    "txt2img/Batch count/value": True,
    "txt2img/Negative prompt/value": "blurry",
    "txt2img/Prompt/value": "",
    "img2img/Denoising strength/value": 0.4,
    "img2img/Sampling method/value": "Nobody's",
    "customscript/seed.py/txt2img/Seed/value": "3",
    "extras/Width/value": 512,
}


def test_values_are_taken_by_label_and_wrong_ones_left(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps(TOLD), encoding="utf-8")
    assert older_values(tmp_path, builtin()) == {
        "txt2img": {
            "sampling.steps": 28,
            "sampling.sampler": "euler_a",
            "canvas.width": 768,
            "sampling.cfg_scale": 5.5,
            "prompt.negative": "blurry",
        },
        "img2img": {"source.denoising_strength": 0.4},
    }


@pytest.mark.parametrize("content", ["", "[]", "{", '{"txt2img": 1}'])
def test_a_damaged_file_gives_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content, encoding="utf-8")
    assert older_values(tmp_path, builtin()) == {"txt2img": {}, "img2img": {}}


def test_without_an_older_installation_there_is_nothing() -> None:
    assert older_values(None, builtin()) == {"txt2img": {}, "img2img": {}}
