"""Hypernetworks in whole runs, from a pickle as trainers write it, by way of the converter."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.generation.conftest import TINY, Studio, make_studio
from tests.tiny import TEXT_WIDTH
from webui.contract.events import Notice
from webui.library.conversion.process import convert_model
from webui.weights.hypernetworks import read_hypernetwork

QUICK = {"sampling.sampler": "euler", "sampling.steps": 2, "model.checkpoint": "tiny"}


def small(width: int) -> nn.Sequential:
    """One of the networks of a hypernetwork with structure 1, 2, 1, relu and layer norms."""
    return nn.Sequential(
        nn.Linear(width, 2 * width), nn.ReLU(), nn.LayerNorm(2 * width),
        nn.Linear(2 * width, width), nn.LayerNorm(width),
    )  # fmt: skip


def trained(width: int) -> tuple[nn.Sequential, dict[object, object]]:
    """The network before keys, and a whole file as the older UI trains it."""
    torch.manual_seed(width)
    pairs = {w: (small(w), small(w)) for w in (width, 64)}
    states = {
        w: tuple({f"linear.{k}": v for k, v in net.state_dict().items()} for net in pair)
        for w, pair in pairs.items()
    }
    about = {"name": "wash", "activation_func": "relu", "is_layer_norm": True,
             "activate_output": False, "layer_structure": [1, 2, 1], "step": 7}  # fmt: skip
    return pairs[width][0], {**states, **about}


@pytest.fixture(scope="module")
def models(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hyper-models")
    shutil.copytree(tiny_folder, folder / "tiny")
    (folder / "hypernetworks").mkdir()
    for name, width in (("wash", TEXT_WIDTH), ("alien", 48)):
        pickle = folder / "hypernetworks" / f"{name}.pt"
        torch.save(trained(width)[1], pickle)
        convert_model(pickle, folder)
    torch.save({}, folder / "hypernetworks" / "raw.pt")
    return folder


@pytest.fixture(scope="module")
def studio(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return make_studio(models, tmp_path_factory.mktemp("hyper-data"), {**TINY, **QUICK})


def painted(studio: Studio, tags: str = "") -> np.ndarray:
    return studio.picture({"prompt.positive": f"a red house{tags}"}).astype(np.float64)


def test_the_converted_file_computes_what_was_trained(models: Path) -> None:
    want, _ = trained(TEXT_WIDTH)
    read = read_hypernetwork(models / "hypernetworks" / "wash.safetensors", "wash", 1)
    x = torch.randn(3, TEXT_WIDTH, generator=torch.Generator().manual_seed(1))
    assert sorted(read.layers) == [TEXT_WIDTH, 64]
    torch.testing.assert_close(read.layers[TEXT_WIDTH][0](x), want(x))


def test_it_changes_the_picture_by_its_strength_and_leaves_no_trace(studio: Studio) -> None:
    plain = painted(studio)
    weak, strong = painted(studio, "<hypernet:wash:0.2>"), painted(studio, "<hypernet:wash>")
    assert 0 < abs(weak - plain).mean() < abs(strong - plain).mean()
    assert np.array_equal(plain, painted(studio, "<hypernet:wash:0>"))
    assert np.array_equal(plain, painted(studio))


def test_what_cannot_be_applied_is_said(studio: Studio) -> None:
    def notices(tag: str) -> list[str]:
        events = studio.run(studio.request({"prompt.positive": f"a{tag}"}))
        return [event.sentence for event in events if isinstance(event, Notice)]

    assert "another width" in notices("<hypernet:alien:1>")[0]
    assert "raw.pt is a pickle" in notices("<hypernet:raw:1>")[0]
    assert notices("<hypernet:none:1>") == ["Hypernetwork not found: none"]
