"""Where memory runs out: one smaller retry, a smaller start for what follows, then a sentence."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from tests.generation.conftest import TINY, Studio, make_studio, pictures, pixels
from webui.contract.events import Notice
from webui.errors import NumericalError, OutOfDeviceMemory
from webui.weights.placement import plans


@pytest.fixture
def small(tiny_folder: Path, tmp_path: Path) -> Studio:
    """An engine of its own, whose plans the tests may change."""
    shutil.copytree(tiny_folder, tmp_path / "models" / "tiny")
    return make_studio(tmp_path / "models", tmp_path / "data", TINY, preview_seconds=0.0)


def full(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError("out of memory")


def test_an_item_is_tried_once_more_smaller_and_the_next_starts_there(
    small: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "SMALL_PIXELS", 32 * 32)
    monkeypatch.setattr(AutoencoderKL, "decode", full)  # its tiled form does not go through here
    events = small.run(small.request()) + small.run(small.request({"noise.seed": 8}))
    executions = [artifact.execution for artifact in pictures(events)]
    assert [e.vae_tiles for e in executions] == [32 * 32, 32 * 32]
    assert [e.retried for e in executions] == [True, False]
    told = [event.sentence for event in events if isinstance(event, Notice)]
    assert told == [
        "The memory of cpu ran out while painting at 64x64; "
        "it is tried again with the autoencoder in tiles."
    ]
    assert "VAE tiles: 1024" in pictures(events)[0].infotext


def test_an_item_that_no_plan_fits_fails_with_a_sentence(
    small: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutoencoderKL, "decode", full)
    monkeypatch.setattr(AutoencoderKL, "tiled_decode", full)
    with pytest.raises(OutOfDeviceMemory, match="again, with the autoencoder in tiles"):
        small.run(small.request())


def test_other_shapes_start_as_the_settings_say(
    small: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "SMALL_PIXELS", 32 * 32)
    with monkeypatch.context() as patch:
        patch.setattr(AutoencoderKL, "decode", full)
        small.run(small.request())
    other = pictures(small.run(small.request({"canvas.width": 128})))[0].execution
    assert (other.vae_tiles, other.retried) == (0, False)


def test_an_autoencoder_that_overflows_in_half_precision_computes_in_single(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "models" / "tiny")
    studio = make_studio(tmp_path / "models", tmp_path / "data", TINY, vae_dtype="float16")
    decode = AutoencoderKL.decode

    def overflowing(vae: AutoencoderKL, z: torch.Tensor) -> object:
        result = decode(vae, z)
        if z.dtype == torch.float16:
            result.sample.fill_(float("inf"))
        return result

    monkeypatch.setattr(AutoencoderKL, "decode", overflowing)
    artifact = pictures(studio.run(studio.request()))[0]
    assert artifact.execution.vae_dtype == ""  # wide again, as the network is
    monkeypatch.setattr(AutoencoderKL, "decode", decode)
    assert np.array_equal(pixels(artifact), studio.picture())


def test_numbers_that_no_precision_mends_are_told(
    small: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = AutoencoderKL.decode

    def broken(vae: AutoencoderKL, z: torch.Tensor) -> object:
        result = decode(vae, z)
        result.sample.fill_(float("nan"))
        return result

    monkeypatch.setattr(AutoencoderKL, "decode", broken)
    with pytest.raises(NumericalError, match="decoding the picture"):
        small.run(small.request())


def test_eight_bit_weights_paint_a_near_picture_and_the_infotext_says_so(
    small: Studio, tiny_folder: Path, tmp_path: Path
) -> None:
    narrow = make_studio(tmp_path / "models", tmp_path / "data8", TINY, storage="fp8")
    artifact = pictures(narrow.run(narrow.request()))[0]
    assert artifact.execution.storage == "fp8"
    assert "FP8 weight: Enable" in artifact.infotext
    difference = np.abs(pixels(artifact).astype(int) - small.picture())
    assert 0 < difference.mean() < 12


def test_sliced_attention_paints_the_same_and_is_told(small: Studio, tmp_path: Path) -> None:
    sliced = make_studio(tmp_path / "models", tmp_path / "data", TINY, attention="sliced")
    artifact = pictures(sliced.run(sliced.request()))[0]
    assert "Attention: sliced" in artifact.infotext
    assert np.abs(pixels(artifact).astype(int) - small.picture()).max() <= 1


@pytest.mark.parametrize("placement", ["model", "group", "sequential"])
def test_every_placement_paints_the_same_picture(
    small: Studio, tmp_path: Path, placement: str
) -> None:
    """On a CPU there is nothing to leave, so the settings are taken and change nothing."""
    other = make_studio(tmp_path / "models", tmp_path / "data", TINY, placement=placement)
    artifact = pictures(other.run(other.request()))[0]
    assert artifact.execution.placement == placement
    assert np.array_equal(pixels(artifact), small.picture())
