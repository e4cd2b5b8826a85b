"""The autoencoder of a request: the one beside the checkpoint, none, or a file."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from tests.generation.conftest import Studio, make_studio, pictures, pixels
from tests.tiny import write_file
from webui.contract import infotext
from webui.contract.request import Blob
from webui.errors import ModelMismatch, NotFound, UnsupportedModel
from webui.library.vaes import vae_words

PREFIX = "first_stage_model."
SMALL = {
    "prompt.positive": "a cat",
    "sampling.steps": 2,
    "sampling.sampler": "euler",
    "canvas.width": 64,
    "canvas.height": 64,
    "noise.seed": 7,
    "model.checkpoint": "plain",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints alike, one with a VAE beside it, and VAEs in both layouts."""
    folder = tmp_path_factory.mktemp("vae-models")
    write_file(folder / "plain.safetensors")
    write_file(folder / "paired.safetensors")
    other = load_file(write_file(folder / "other.tmp", seed=5))
    vae = {n.removeprefix(PREFIX): t for n, t in other.items() if n.startswith(PREFIX)}
    (folder / "other.tmp").unlink()
    (folder / "VAE").mkdir()
    save_file(
        vae | {"loss.logvar": vae["quant_conv.bias"].clone()}, folder / "VAE" / "soft.safetensors"
    )
    save_file(vae, folder / "paired.vae.safetensors")
    return folder


@pytest.fixture(scope="module")
def studio(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return make_studio(models, tmp_path_factory.mktemp("vae-data"), SMALL, preview_seconds=0.0)


def test_a_named_vae_decodes_and_the_infotext_names_it(studio: Studio) -> None:
    own = studio.picture()
    artifact = pictures(studio.run(studio.request({"model.vae": "soft.safetensors"})))[0]
    assert not np.array_equal(pixels(artifact), own)
    assert "VAE: soft.safetensors" in artifact.infotext
    assert f"VAE hash: {artifact.execution.vae_hash[:10]}" in artifact.infotext
    assert len(artifact.execution.vae_hash) == 64
    assert np.array_equal(studio.picture(), own)  # its own is put back
    words = {"vaes": vae_words(studio.engine._catalog)}  # type: ignore[attr-defined]
    restored = infotext.read(artifact.infotext, words)
    assert restored.request.model.vae == "soft.safetensors"


def test_the_vae_beside_a_checkpoint_is_taken_unless_none_is_asked_for(studio: Studio) -> None:
    plain, soft = studio.picture(), studio.picture({"model.vae": "soft.safetensors"})
    assert np.array_equal(studio.picture({"model.checkpoint": "paired"}), soft)
    none = studio.request({"model.checkpoint": "paired", "model.vae": "none"})
    artifact = pictures(studio.run(none))[0]
    assert np.array_equal(pixels(artifact), plain)
    assert "VAE: None" in artifact.infotext
    assert artifact.execution.vae == ""


def test_the_source_is_encoded_by_the_vae_of_the_request(
    studio: Studio, source: Blob, source_png: bytes
) -> None:
    over = {"source.image": source, "source.denoising_strength": 0.5}
    own = studio.picture(over, {source: source_png})
    other = studio.picture(over | {"model.vae": "soft.safetensors"}, {source: source_png})
    assert not np.array_equal(own, other)
    assert np.array_equal(studio.picture(over, {source: source_png}), own)


def test_a_vae_that_is_not_there_is_not_found(studio: Studio) -> None:
    with pytest.raises(NotFound, match="soft") as caught:
        studio.run(studio.request({"model.vae": "softt.safetensors"}))
    assert caught.value.field == "model.vae"


def test_a_vae_with_other_latents_is_refused_with_a_sentence(studio: Studio, models: Path) -> None:
    path = models / "VAE" / "wide.safetensors"
    state = load_file(models / "VAE" / "soft.safetensors")
    wider = {
        "decoder.conv_in.weight": (1, 4, 1, 1),
        "post_quant_conv.weight": (4, 4, 1, 1),
        "post_quant_conv.bias": (4,),
        "quant_conv.weight": (4, 4, 1, 1),
        "quant_conv.bias": (4,),
        "encoder.conv_out.weight": (4, 1, 1, 1),
        "encoder.conv_out.bias": (4,),
    }
    for name, times in wider.items():
        state[name] = state[name].repeat(*times)
    save_file(state, path)
    try:
        with pytest.raises((ModelMismatch, UnsupportedModel), match="latents of 16 channels"):
            studio.run(studio.request({"model.vae": "wide.safetensors"}))
        assert studio.picture().std() > 0
    finally:
        path.unlink()
