"""Stable Diffusion 3 and FLUX: the whole way from words to latents, beside diffusers' pipelines.

Both have the same weights and the same noise; tokenizers on their side are transformers' own.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from tokenizers import processors
from torch import Tensor

from tests.weights.test_transformer_families import load, write_model
from webui.diffusion.conditioning import Conditioning, Timeline
from webui.diffusion.denoiser import Guided, Shown
from webui.diffusion.noise import ImageNoise
from webui.diffusion.prediction import Prediction, SizedFlowPrediction
from webui.diffusion.samplers import SamplerOptions, builtin_samplers
from webui.diffusion.schedules import builtin_schedules, full_trajectory, img2img_sigmas
from webui.generation.sights import Scene, look
from webui.library.t5_vocabulary import UnigramVocabulary
from webui.library.vocabularies import BpeVocabulary
from webui.prompts.encoding import Encoder
from webui.prompts.t5_tokens import t5_tokenizer_for
from webui.weights.checkpoint import Checkpoint

SIDE = 64
"""Pixels; 8 by 8 cells of latent, 16 patches."""
STEPS = 4
PROMPT, NEGATIVE = "a photograph of a cat, red house", "rain"
CLOSE = 1e-3


def clip_tokenizer(words: BpeVocabulary) -> Any:
    from transformers import CLIPTokenizer

    pad = next(word for word, number in words.tokens.items() if number == words.pad)
    return CLIPTokenizer(
        vocab=dict(words.tokens),
        merges=cast("list[str]", list(words.merges)),
        model_max_length=77,
        pad_token=pad,
    )


def t5_tokenizer(words: UnigramVocabulary, length: int) -> Any:
    from transformers import PreTrainedTokenizerFast

    inner = t5_tokenizer_for(words)._tokenizer
    inner.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", words.end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        model_max_length=length,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def noise(checkpoint: Checkpoint) -> Tensor:
    cells = SIDE // checkpoint.latent.factor
    shape = (1, checkpoint.latent.channels, cells, cells)
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def prediction_of(checkpoint: Checkpoint) -> Prediction:
    prediction = checkpoint.prediction
    tokens = (SIDE // checkpoint.latent.factor // 2) ** 2
    return prediction.of_size(tokens) if isinstance(prediction, SizedFlowPrediction) else prediction


def paint(
    checkpoint: Checkpoint,
    cond: Conditioning,
    uncond: Conditioning | None,
    scale: float,
    start: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """Our way: Euler over the `simple` schedule, from noise or from a picture."""
    prediction = prediction_of(checkpoint)
    sampler = next(s for s in builtin_samplers() if s.name == "euler")
    schedule = next(s for s in builtin_schedules() if s.name == "simple")
    if start is None:
        trajectory = full_trajectory(sampler, schedule, STEPS, prediction)
        x = trajectory.begin(prediction, noise(checkpoint))
    else:
        trajectory = img2img_sigmas(sampler, schedule, STEPS, strength, prediction)
        x = trajectory.begin(prediction, noise(checkpoint), start)
    told = None if uncond is None else [Timeline.constant(uncond)]
    denoiser = Guided(
        checkpoint.network, prediction, [Timeline.constant(cond)], told, cfg_scale=scale
    )
    silence = ImageNoise([0], tuple(x.shape[1:]))  # type: ignore[arg-type]
    options = SamplerOptions(space=prediction)
    with torch.inference_mode():
        return sampler.sample(denoiser, x, trajectory.sigmas, silence, options)


# -------------------------------------------------------------------------------------------- FLUX


def flux_pipeline(checkpoint: Checkpoint, kind: str = "FluxPipeline") -> Any:
    import diffusers

    clip, t5 = checkpoint.vocabularies
    assert isinstance(clip, BpeVocabulary)
    assert isinstance(t5, UnigramVocabulary)
    sized = isinstance(checkpoint.prediction, SizedFlowPrediction)
    length = checkpoint.family.encoders[1].length
    pipeline: Any = getattr(diffusers, kind)(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(
            shift=3.0 if sized else 1.0, use_dynamic_shifting=sized
        ),
        vae=checkpoint.vae,
        text_encoder=checkpoint.text_encoders[0],
        tokenizer=clip_tokenizer(clip),
        text_encoder_2=checkpoint.text_encoders[1],
        tokenizer_2=t5_tokenizer(t5, length),
        transformer=checkpoint.network.module,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module", params=["flux_dev", "flux_schnell"])
def flux(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    path: Path = tmp_path_factory.mktemp(request.param) / "model.safetensors"
    return load(write_model(path, request.param))


def told_flux(checkpoint: Checkpoint) -> Conditioning:
    told = Encoder(checkpoint).text(PROMPT)
    guided = "guided" if checkpoint.network.module.config["guidance_embeds"] else ""  # type: ignore
    return replace(told, guidance=torch.tensor([3.5]) if guided else None)


def test_flux_paints_as_the_pipeline_does(flux: Checkpoint) -> None:
    from webui.weights.networks.flux import pack, unpack

    want = flux_pipeline(flux)(
        PROMPT,
        height=SIDE,
        width=SIDE,
        num_inference_steps=STEPS,
        guidance_scale=3.5,
        latents=pack(noise(flux)),
        max_sequence_length=flux.family.encoders[1].length,
        output_type="latent",
    ).images
    got = paint(flux, told_flux(flux), None, 1.0)
    assert (got - unpack(want, 4, 4)).abs().max() < CLOSE


def test_flux_paints_over_a_picture_as_the_pipeline_does(flux: Checkpoint) -> None:
    from webui.weights.networks.flux import unpack

    picture = 0.5 * noise(flux).flip(-1)
    want = flux_pipeline(flux, "FluxImg2ImgPipeline")(
        PROMPT,
        image=picture,
        strength=2 / STEPS,
        height=SIDE,
        width=SIDE,
        num_inference_steps=STEPS,
        guidance_scale=3.5,
        generator=torch.Generator().manual_seed(5),
        max_sequence_length=flux.family.encoders[1].length,
        output_type="latent",
    ).images
    # The older UI's strength runs one step more than the pipeline's.
    got = paint(flux, told_flux(flux), None, 1.0, picture, strength=1.5 / STEPS)
    assert (got - unpack(want, 4, 4)).abs().max() < CLOSE
    assert (got - picture).abs().max() > 100 * CLOSE


@pytest.fixture(scope="module")
def picture() -> Tensor:
    """A picture of 64 pixels a side, (1, 3, H, W) in [0, 1]."""
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    return torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)


def test_fill_sees_the_hole_as_the_pipeline_does(picture: Tensor, tmp_path: Path) -> None:
    from webui.weights.networks.flux import pack, unpack

    fill = load(write_model(tmp_path / "model.safetensors", "flux_fill"))
    certain: Any = fill.vae.encoder.conv_out
    certain.weight[16:], certain.bias[16:] = 0.0, -30.0  # the pipeline draws, we take the mean
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 11:50, 20:41] = 1.0
    scene = Scene(None, lambda: picture * 2 - 1, mask)
    channels = look(fill, scene, SIDE // 8, SIDE // 8, 0).channels
    assert channels is not None
    want = flux_pipeline(fill, "FluxFillPipeline")(
        PROMPT,
        image=picture,
        mask_image=mask,
        height=SIDE,
        width=SIDE,
        num_inference_steps=STEPS,
        guidance_scale=3.5,
        latents=pack(noise(fill)),
        output_type="latent",
    ).images
    shown = replace(fill, network=Shown(fill.network, channels))  # type: ignore[arg-type]
    got = paint(shown, told_flux(fill), None, 1.0)
    assert (got - unpack(want, 4, 4)).abs().max() < CLOSE


def test_the_cells_of_a_hole_are_those_of_the_pipeline(picture: Tensor, tmp_path: Path) -> None:
    from webui.weights.networks.flux import pack

    fill = load(write_model(tmp_path / "model.safetensors", "flux_fill"))
    mask = (torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(8)) > 0.5).float()
    scene = Scene(None, lambda: picture * 2 - 1, mask)
    channels = look(fill, scene, SIDE // 8, SIDE // 8, 0).channels
    assert channels is not None
    plain = channels[:, :16] / fill.latent.scale + fill.latent.shift
    cells, hidden = flux_pipeline(fill, "FluxFillPipeline").prepare_mask_latents(
        mask, plain, 1, 16, 1, SIDE, SIDE, torch.float32, torch.device("cpu"), None
    )
    assert torch.allclose(pack(channels[:, :16]), hidden, atol=1e-5)
    assert torch.equal(pack(channels[:, 16:]), cells)


def test_kontext_refers_to_a_picture_as_the_pipeline_does(tmp_path: Path) -> None:
    from webui.weights.networks.flux import pack, unpack

    kontext = load(write_model(tmp_path / "kontext.safetensors", "flux_dev"))
    seen = 0.5 * noise(kontext).flip(-1)
    reference = look(kontext, Scene(seen), SIDE // 8, SIDE // 8, 0).reference
    want = flux_pipeline(kontext, "FluxKontextPipeline")(
        prompt=PROMPT,
        image=seen,
        height=SIDE,
        width=SIDE,
        num_inference_steps=STEPS,
        guidance_scale=3.5,
        latents=pack(noise(kontext)),
        max_area=SIDE * SIDE,
        output_type="latent",
    ).images
    got = paint(kontext, replace(told_flux(kontext), reference=reference), None, 1.0)
    assert (got - unpack(want, 4, 4)).abs().max() < CLOSE
    assert (got - paint(kontext, told_flux(kontext), None, 1.0)).abs().max() > 10 * CLOSE


# ------------------------------------------------------------------------------ Stable Diffusion 3


def sd3_pipeline(checkpoint: Checkpoint, kind: str = "StableDiffusion3Pipeline") -> Any:
    import diffusers

    clips: list[Any] = [w for w in checkpoint.vocabularies if isinstance(w, BpeVocabulary)]
    t5 = [w for w in checkpoint.vocabularies if isinstance(w, UnigramVocabulary)]
    pipeline: Any = getattr(diffusers, kind)(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=checkpoint.vae,
        text_encoder=checkpoint.text_encoders[0],
        tokenizer=clip_tokenizer(clips[0]),
        text_encoder_2=checkpoint.text_encoders[1],
        tokenizer_2=clip_tokenizer(clips[1]),
        text_encoder_3=checkpoint.text_encoders[2] if t5 else None,
        tokenizer_3=t5_tokenizer(t5[0], 256) if t5 else None,
        transformer=checkpoint.network.module,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module", params=["sd3_medium", "sd35_medium", "sd35_large"])
def sd3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    path: Path = tmp_path_factory.mktemp(request.param) / "model.safetensors"
    return load(write_model(path, request.param))


@pytest.mark.parametrize("t5", [True, False])
def test_sd3_paints_as_the_pipeline_does(sd3: Checkpoint, t5: bool) -> None:
    if not t5:
        sd3 = without_t5(sd3)
    want = sd3_pipeline(sd3)(
        PROMPT,
        negative_prompt=NEGATIVE,
        height=SIDE,
        width=SIDE,
        sigmas=[1 - n / STEPS for n in range(STEPS)],
        guidance_scale=5.0,
        latents=noise(sd3),
        output_type="latent",
    ).images
    encoder = Encoder(sd3)
    got = paint(sd3, encoder.text(PROMPT), encoder.text(NEGATIVE), 5.0)
    assert (got - want).abs().max() < CLOSE


def test_sd3_paints_over_a_picture_as_the_pipeline_does(sd3: Checkpoint) -> None:
    picture = 0.5 * noise(sd3).flip(-1)
    want = sd3_pipeline(sd3, "StableDiffusion3Img2ImgPipeline")(
        PROMPT,
        negative_prompt=NEGATIVE,
        image=picture,
        strength=2 / STEPS,
        height=SIDE,
        width=SIDE,
        sigmas=[1 - n / STEPS for n in range(STEPS)],
        num_inference_steps=STEPS,
        guidance_scale=5.0,
        generator=torch.Generator().manual_seed(5),
        output_type="latent",
    ).images
    encoder = Encoder(sd3)
    told = (encoder.text(PROMPT), encoder.text(NEGATIVE))
    got = paint(sd3, *told, 5.0, picture, strength=1.5 / STEPS)
    assert (got - want).abs().max() < CLOSE


def without_t5(checkpoint: Checkpoint) -> Checkpoint:
    family = replace(checkpoint.family, encoders=checkpoint.family.encoders[:2])
    return replace(
        checkpoint,
        family=family,
        text_encoders=checkpoint.text_encoders[:2],
        vocabularies=checkpoint.vocabularies[:2],
    )
