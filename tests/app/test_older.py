"""An older installation's defaults are taken over where a field here takes them."""

import json
from pathlib import Path

import pytest

from webui.app.older import FILE, OPTIONS_FILE, older_checkpoint, older_options, older_values
from webui.contract.vocabulary import builtin
from webui.errors import NotFound

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


OPTIONS = {
    "sd_model_checkpoint": "v1-5-pruned.ckpt [e1441589a6]",
    "CLIP_stop_at_last_layers": 2,
    "sd_vae": "gone.vae.pt",
    "randn_source": "NV",
    "eta_noise_seed_delta": 31337,
    "comma_padding_backtrack": 20,
    "tiling": "yes, please",
    "img2img_fix_steps": True,
    "sigma_min": -5,
    "quicksettings_list": ["sd_model_checkpoint"],
}


def test_options_of_the_older_installation_are_taken_where_they_mean_something(
    tmp_path: Path,
) -> None:
    (tmp_path / OPTIONS_FILE).write_text(json.dumps(OPTIONS), encoding="utf-8")
    assert older_options(tmp_path, builtin()) == {
        "CLIP_stop_at_last_layers": 2,
        "randn_source": "NV",
        "eta_noise_seed_delta": 31337,
        "img2img_fix_steps": True,
    }
    shared = {"model.clip_skip": 2, "noise.source": "nv", "sampling.ensd": 31337}
    assert older_values(tmp_path, builtin()) == {
        "txt2img": shared,
        "img2img": {**shared, "source.exact_steps": True},
    }


def test_the_older_checkpoint_counts_where_it_is_there(tmp_path: Path) -> None:
    def refuse(name: str) -> None:
        raise NotFound("checkpoint", name)

    assert older_checkpoint(tmp_path, refuse) == ""
    (tmp_path / OPTIONS_FILE).write_text(json.dumps(OPTIONS), encoding="utf-8")
    assert older_checkpoint(tmp_path, lambda name: name) == "v1-5-pruned.ckpt [e1441589a6]"
    assert older_checkpoint(tmp_path, refuse) == ""
