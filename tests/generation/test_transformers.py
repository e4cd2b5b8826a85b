"""Stable Diffusion 3 and FLUX through the engine: every kind of pass, on small random files."""

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.generation.conftest import Studio, make_studio, pictures, pixels
from tests.weights.test_transformer_families import T5_FOLDER, write_model
from tests.weights.transformer_files import drawn, flux_shapes, write_parts
from webui.contract.request import Blob

EIGHT = torch.float8_e4m3fn
DEFAULTS = {
    "prompt.positive": "a (red:1.3) house",
    "sampling.sampler": "euler",
    "sampling.steps": 2,
    "sampling.cfg_scale": 1.0,
    "canvas.width": 64,
    "canvas.height": 64,
    "noise.seed": 7,
}
MASK = Blob(sha256="c" * 64)
MODELS = {
    "schnell": "flux_schnell",
    "fill": "flux_fill",
    "kontext": "flux_dev",
    "medium": "sd35_medium",
}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """An engine over whole files, and over a FLUX.1 dev in pieces."""
    models = tmp_path_factory.mktemp("models")
    for name, layout in MODELS.items():
        write_model(models / "Stable-diffusion" / f"{name}.safetensors", layout)
    files = write_parts(tmp_path_factory.mktemp("parts"), flux_shapes("flux_dev"))
    for part, folder in {
        "transformer": "Stable-diffusion/dev.safetensors",
        "vae": "VAE/ae.safetensors",
        "clip_l": "text_encoder/clip_l.safetensors",
        "t5xxl": "text_encoder/t5xxl_fp16.safetensors",
    }.items():
        (models / folder).parent.mkdir(exist_ok=True)
        shutil.copy(files[part], models / folder)
    shutil.copy(T5_FOLDER / "spiece.model", models / "text_encoder")
    state = load_file(models / "Stable-diffusion" / "schnell.safetensors")
    wide = {n: t.to(EIGHT) if n.startswith("model.") else t for n, t in state.items()}
    save_file(wide, models / "Stable-diffusion" / "narrow.safetensors")
    wide = {n: t.float() for n, t in wide.items()}
    save_file(wide, models / "Stable-diffusion" / "wide.safetensors")
    other = drawn(flux_shapes("flux_dev")["t5xxl"], 77)
    save_file(other, models / "text_encoder" / "t5xxl_other.safetensors")
    data = tmp_path_factory.mktemp("data")
    return make_studio(models, data, DEFAULTS, preview_seconds=0.0, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def mask() -> bytes:
    buffer = io.BytesIO()
    image = Image.new("L", (96, 64))
    image.paste(255, (30, 16, 70, 48))
    image.save(buffer, "PNG")
    return buffer.getvalue()


def paint(studio: Studio, model: str, more: dict[str, Any], **inputs: Any) -> np.ndarray:
    return studio.picture({"model.checkpoint": model, **more}, **inputs)


@pytest.mark.parametrize("model", ["schnell", "dev", "kontext", "fill", "medium"])
def test_words_become_pictures_and_larger_ones(gallery: Studio, model: str) -> None:
    first = paint(gallery, model, {})
    assert first.shape == (64, 64, 3)
    assert not np.array_equal(first, paint(gallery, model, {"prompt.positive": "a blue cat"}))
    larger = {"hires.scale": 1.5, "hires.upscaler": "latent", "hires.denoising_strength": 0.6}
    assert paint(gallery, model, larger).shape == (96, 96, 3)


def test_a_file_of_8_bits_paints_what_its_numbers_say(gallery: Studio) -> None:
    narrow, wide = paint(gallery, "narrow", {}), paint(gallery, "wide", {})
    assert np.abs(narrow.astype(int) - wide).max() <= 1


@pytest.mark.parametrize("model", ["schnell", "medium"])
def test_pictures_are_painted_over(
    gallery: Studio, model: str, source_png: bytes, source: Blob
) -> None:
    start = {"source.image": source, "source.denoising_strength": 0.3}
    over = paint(gallery, model, start, inputs={source: source_png})
    assert not np.array_equal(over, paint(gallery, model, {}))


def test_guidance_learned_by_heart_and_shift_change_the_picture(gallery: Studio) -> None:
    plain = paint(gallery, "dev", {})
    assert not np.array_equal(plain, paint(gallery, "dev", {"sampling.distilled_cfg_scale": 20.0}))
    assert not np.array_equal(plain, paint(gallery, "dev", {"levels.shift": 8.0}))
    told = paint(gallery, "schnell", {"sampling.distilled_cfg_scale": 20.0})
    assert np.array_equal(told, paint(gallery, "schnell", {}))


def test_kontext_sees_the_source_beside_what_it_paints(
    gallery: Studio, source_png: bytes, source: Blob
) -> None:
    start = {"source.image": source, "source.denoising_strength": 1.0, "sampling.steps": 2}
    seen = paint(gallery, "kontext", start, inputs={source: source_png})
    assert not np.array_equal(seen, paint(gallery, "kontext", {"sampling.steps": 2}))


def test_fill_paints_holes_and_keeps_the_rest(
    gallery: Studio, source_png: bytes, source: Blob, mask: bytes
) -> None:
    values = {
        "source.image": source,
        "source.denoising_strength": 1.0,
        "source.inpaint.mask": MASK,
        "canvas.width": 96,
    }
    filled = paint(gallery, "fill", values, inputs={source: source_png, MASK: mask})
    original = np.asarray(Image.open(io.BytesIO(source_png)))
    assert np.abs(filled[:4].astype(int) - original[:4]).max() <= 1
    assert not np.array_equal(filled[24:40, 40:60], original[24:40, 40:60])


def test_distilled_guidance_is_told_in_the_infotext(gallery: Studio) -> None:
    values = {"model.checkpoint": "dev", "sampling.distilled_cfg_scale": 2.5, "levels.shift": 2.0}
    artifact = pictures(gallery.run(gallery.request(values)))[0]
    assert "Distilled CFG Scale: 2.5" in artifact.infotext
    assert "Shift: 2.0" in artifact.infotext
    assert pixels(artifact).shape == (64, 64, 3)


def test_text_encoders_are_chosen_by_name(gallery: Studio, tmp_path: Path) -> None:
    usual = paint(gallery, "schnell", {})
    own = paint(gallery, "schnell", {"model.text_encoders": ["t5xxl_fp16"]})
    assert np.array_equal(usual, own)  # the same numbers, from another file
    other = paint(gallery, "schnell", {"model.text_encoders": ["t5xxl_other"]})
    assert not np.array_equal(usual, other)
    events = gallery.request({"model.checkpoint": "schnell", "model.text_encoders": ["nobody"]})
    from webui.errors import NotFound

    with pytest.raises(NotFound, match="text encoder"):
        gallery.run(events)
