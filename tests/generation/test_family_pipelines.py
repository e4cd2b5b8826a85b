"""Every UNet family against diffusers' own pipelines: same weights, same noise, same latents."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.generation.oracles import Studio, make_pipeline
from webui.contract.fields import nest
from webui.contract.request import Blob, GenerationRequest
from webui.generation.sights import Scene, look
from webui.generation.upscaling import resize_latent
from webui.weights.checkpoint import Checkpoint

SOURCE = Blob(sha256="5" * 64)
MASK = Blob(sha256="6" * 64)
SIZE = 128
"""Four cells at least on the lowest level: over a single one the norms would only show rounding."""
STEPS = 4
CLOSE = 1e-3
BASE: dict[str, Any] = {
    "prompt.positive": "a red house by the sea",
    "prompt.negative": "blurry",
    "sampling.sampler": "euler",
    "sampling.steps": STEPS,
    "sampling.cfg_scale": 7.0,
    "canvas.width": SIZE,
    "canvas.height": SIZE,
    "noise.seed": 7,
    "noise.source": "cpu",
}
WORDS = {"prompt": BASE["prompt.positive"], "negative_prompt": BASE["prompt.negative"]}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    torch.set_num_threads(1)
    return Studio(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    values = np.random.default_rng(5).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def pixels(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image, np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def encoded(checkpoint: Checkpoint, image: Image.Image) -> Tensor:
    with torch.inference_mode():
        latent = checkpoint.vae.encode(pixels(image)).latent_dist.mode()
    return latent * checkpoint.latent.scale


def request(name: str, more: dict[str, Any]) -> GenerationRequest:
    return nest(GenerationRequest(), {**BASE, "model.checkpoint": name, **more})


def noise() -> Tensor:
    return torch.randn((1, 4, SIZE // 8, SIZE // 8), generator=seeded())


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def run(pipeline: Any, **arguments: Any) -> Tensor:
    arguments = {"guidance_scale": 7.0, "num_inference_steps": STEPS, **WORDS, **arguments}
    with torch.inference_mode():
        return pipeline(**arguments, generator=seeded(), output_type="latent").images


def kinds() -> dict[str, Any]:
    import diffusers as d

    return {
        "sd1": (d.StableDiffusionPipeline, d.StableDiffusionImg2ImgPipeline),
        "sd1_v": (d.StableDiffusionPipeline, d.StableDiffusionImg2ImgPipeline),
        "sd2": (d.StableDiffusionPipeline, d.StableDiffusionImg2ImgPipeline),
        "sd2_v": (d.StableDiffusionPipeline, d.StableDiffusionImg2ImgPipeline),
        "sdxl": (d.StableDiffusionXLPipeline, d.StableDiffusionXLImg2ImgPipeline),
        "sdxl_v": (d.StableDiffusionXLPipeline, d.StableDiffusionXLImg2ImgPipeline),
        "sd1_inpaint": d.StableDiffusionInpaintPipeline,
        "sd2_inpaint": d.StableDiffusionInpaintPipeline,
        "sdxl_inpaint": d.StableDiffusionXLInpaintPipeline,
        "sd1_edit": d.StableDiffusionInstructPix2PixPipeline,
        "sdxl_edit": d.StableDiffusionXLInstructPix2PixPipeline,
        "sdxl_refiner": d.StableDiffusionXLImg2ImgPipeline,
    }


PLAIN = ["sd1", "sd1_v", "sd2", "sd2_v", "sdxl", "sdxl_v"]


def unwatermarked(name: str) -> dict[str, Any]:
    return {"add_watermarker": False} if name.startswith("sdxl") else {}


@pytest.mark.parametrize("name", PLAIN)
def test_text_to_image_is_diffusers_own(studio: Studio, name: str) -> None:
    pipeline = make_pipeline(kinds()[name][0], studio.checkpoint(name), **unwatermarked(name))
    want = run(pipeline, latents=noise(), width=SIZE, height=SIZE)
    assert (studio.latent(request(name, {}), {}) - want).abs().max() < CLOSE


@pytest.mark.parametrize("name", PLAIN)
def test_image_to_image_is_diffusers_own(studio: Studio, name: str, picture: Image.Image) -> None:
    checkpoint = studio.checkpoint(name)
    pipeline = make_pipeline(kinds()[name][1], checkpoint, **unwatermarked(name))
    want = run(pipeline, image=encoded(checkpoint, picture), strength=0.75)
    # Half of four steps: the older rule makes three calls, a strength of 0.75 to diffusers.
    values = {"source.image": SOURCE, "source.denoising_strength": 0.5}
    ours = studio.latent(request(name, values), {SOURCE: png(picture)})
    assert (ours - want).abs().max() < CLOSE


@pytest.mark.parametrize("name", PLAIN)
def test_a_hires_pass_is_diffusers_own_second_pipeline(studio: Studio, name: str) -> None:
    first, second = kinds()[name]
    checkpoint = studio.checkpoint(name)
    pipeline = make_pipeline(first, checkpoint, **unwatermarked(name))
    small = run(pipeline, latents=noise(), width=SIZE, height=SIZE)
    large = resize_latent(small, SIZE // 4, SIZE // 4)
    again = make_pipeline(second, checkpoint, **unwatermarked(name))
    want = run(again, image=large, strength=0.5)
    values = {"hires.scale": 2.0, "hires.steps": 2, "hires.denoising_strength": 0.5}
    assert (studio.latent(request(name, values), {}) - want).abs().max() < CLOSE


@pytest.mark.parametrize("name", ["sd1_inpaint", "sd2_inpaint", "sdxl_inpaint"])
def test_text_to_image_on_an_inpainting_model_covers_a_grey_picture(
    studio: Studio, name: str
) -> None:
    pipeline = make_pipeline(kinds()[name], studio.checkpoint(name), **unwatermarked(name))
    grey, whole = torch.zeros(1, 3, SIZE, SIZE), torch.ones(1, 1, SIZE, SIZE)
    sizes = {"width": SIZE, "height": SIZE}
    want = run(pipeline, image=grey, mask_image=whole, strength=1.0, latents=noise(), **sizes)
    assert (studio.latent(request(name, {}), {}) - want).abs().max() < CLOSE


@pytest.mark.parametrize("name", ["sd1_inpaint", "sd2_inpaint", "sdxl_inpaint"])
def test_an_inpainting_model_sees_the_mask_and_the_picture_without_it(
    studio: Studio, name: str, picture: Image.Image
) -> None:
    checkpoint = studio.checkpoint(name)
    pipeline = make_pipeline(kinds()[name], checkpoint, **unwatermarked(name))
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., 16:40, 8:48] = 1
    image = pixels(picture)
    with torch.inference_mode():
        cells, hidden = pipeline.prepare_mask_latents(
            mask, image * (1 - mask), 1, SIZE, SIZE, torch.float32, "cpu", seeded(), False
        )
        scene = Scene(None, lambda: image, mask)
        seen = look(checkpoint, scene, SIZE // 8, SIZE // 8, 0).channels
        weak = look(
            checkpoint, Scene(None, lambda: image, mask, 0.0), SIZE // 8, SIZE // 8, 0
        ).channels
    assert seen is not None and weak is not None
    assert (seen - torch.cat([cells, hidden], dim=1)).abs().max() < CLOSE
    assert (weak[:, 1:] - encoded(checkpoint, picture)).abs().max() < CLOSE


def test_a_masked_source_reaches_an_inpainting_model(studio: Studio, picture: Image.Image) -> None:
    mask = Image.new("L", picture.size)
    mask.paste(255, (8, 16, 48, 40))
    inputs = {SOURCE: png(picture), MASK: png(mask)}
    values = {"source.image": SOURCE, "source.denoising_strength": 1.0}

    def latent(**more: Any) -> Tensor:
        tree = request("sd1_inpaint", {**values, **more}).model_dump()
        return studio.latent(GenerationRequest.model_validate(tree), inputs)

    hidden = latent(**{"source.inpaint.mask": MASK})
    shown = latent(**{"source.inpaint.mask": MASK, "source.conditioning_mask_strength": 0.0})
    whole = latent()
    assert not torch.equal(hidden, shown) and not torch.equal(hidden, whole)
    inside = (slice(None), slice(None), slice(2, 5), slice(1, 6))
    kept = torch.ones_like(hidden, dtype=torch.bool)
    kept[inside] = False
    clean = encoded(studio.checkpoint("sd1_inpaint"), picture)
    assert torch.allclose(hidden[kept], clean[kept], atol=1e-5)


@pytest.mark.parametrize("name", ["sd1_edit", "sdxl_edit"])
@pytest.mark.parametrize("scale", [1.5, 1.0])
def test_instructions_edit_a_picture_as_diffusers_does(
    studio: Studio, name: str, scale: float, picture: Image.Image
) -> None:
    checkpoint = studio.checkpoint(name)
    pipeline = make_pipeline(kinds()[name], checkpoint, **unwatermarked(name))
    image = pixels(picture)
    clean = encoded(checkpoint, picture)
    # Ours begins from the picture under noise; theirs from what it is given.
    begun = noise() + clean / checkpoint.prediction.sigma_max
    size = {"width": SIZE, "height": SIZE} if name == "sdxl_edit" else {}
    want = run(pipeline, image=image, image_guidance_scale=scale, latents=begun, **size)
    values = {
        "source.image": SOURCE,
        "source.denoising_strength": 1.0,
        "source.image_cfg_scale": scale,
    }
    ours = studio.latent(request(name, values), {SOURCE: png(picture)})
    assert (ours - want).abs().max() < CLOSE


def test_the_refiner_is_diffusers_own(studio: Studio, picture: Image.Image) -> None:
    more = {"requires_aesthetics_score": True, "add_watermarker": False}
    checkpoint = studio.checkpoint("sdxl_refiner")
    pipeline = make_pipeline(kinds()["sdxl_refiner"], checkpoint, **more)
    scores = {"aesthetic_score": 5.0, "negative_aesthetic_score": 3.0}
    want = run(pipeline, image=encoded(checkpoint, picture), strength=0.75, **scores)
    values = {
        "source.image": SOURCE,
        "source.denoising_strength": 0.5,
        "framing.aesthetic_score": 5.0,
        "framing.negative_aesthetic_score": 3.0,
    }
    ours = studio.latent(request("sdxl_refiner", values), {SOURCE: png(picture)})
    assert (ours - want).abs().max() < CLOSE


def test_crops_are_told_as_diffusers_tells_them(studio: Studio) -> None:
    pipeline = make_pipeline(kinds()["sdxl"][0], studio.checkpoint("sdxl"), add_watermarker=False)
    crop = {"crops_coords_top_left": (16, 32), "negative_crops_coords_top_left": (16, 32)}
    want = run(pipeline, latents=noise(), width=SIZE, height=SIZE, **crop)
    ours = studio.latent(request("sdxl", {"framing.crop_top": 16, "framing.crop_left": 32}), {})
    assert (ours - want).abs().max() < CLOSE
    assert not torch.equal(ours, studio.latent(request("sdxl", {}), {}))


def test_the_refiner_takes_over_from_sdxl(studio: Studio) -> None:
    studio.checkpoint("sdxl_refiner")
    plain = studio.latent(request("sdxl", {}), {})
    refined = {"refiner.checkpoint": "sdxl_refiner", "refiner.switch_at": 0.8}
    assert not torch.equal(studio.latent(request("sdxl", refined), {}), plain)
    never = {"refiner.checkpoint": "sdxl_refiner", "refiner.switch_at": 1.0}
    assert torch.equal(studio.latent(request("sdxl", never), {}), plain)


@pytest.mark.parametrize("name", ["sd1_inpaint", "sdxl_edit", "sdxl_refiner"])
def test_every_other_family_paints_from_text_and_a_second_time_larger(
    studio: Studio, name: str
) -> None:
    values = {"hires.scale": 2.0, "hires.steps": 2, "sampling.steps": 4}
    latent = studio.latent(request(name, values), {})
    assert latent.shape[-2:] == (SIZE // 4, SIZE // 4) and latent.isfinite().all()
