"""The second pass at a larger size: what it is asked, and what it starts from."""

import torch
from torch import Tensor

from webui.contract.request import GenerationRequest, Hires
from webui.generation import latents, upscaling
from webui.images.geometry import hires_size
from webui.weights.checkpoint import Checkpoint


def base_share(request: GenerationRequest) -> float:
    """The part of all sampling that the first pass is, by steps times pixels."""
    hires = request.hires
    if hires is None:
        return 1.0
    size = hires_size(request.canvas, hires)
    base = request.sampling.steps * request.canvas.width * request.canvas.height
    second = (hires.steps or request.sampling.steps) * size.width * size.height
    return base / (base + second)


def second_request(request: GenerationRequest) -> GenerationRequest:
    """The request as the second pass has it: its own words and values, else those of the first."""
    hires, sampling, prompt = request.hires, request.sampling, request.prompt
    assert hires is not None
    own_sampling = {
        "steps": hires.steps or sampling.steps,
        "sampler": hires.sampler or sampling.sampler,
        "schedule": hires.schedule or sampling.schedule,
        "cfg_scale": hires.cfg_scale or sampling.cfg_scale,
        "distilled_cfg_scale": hires.distilled_cfg_scale or sampling.distilled_cfg_scale,
    }
    own_prompt = {
        "positive": hires.prompt or prompt.positive,
        "negative": hires.negative_prompt or prompt.negative,
    }
    checkpoint = hires.checkpoint or request.model.checkpoint
    return request.model_copy(
        update={
            "sampling": sampling.model_copy(update=own_sampling),
            "prompt": prompt.model_copy(update=own_prompt),
            "model": request.model.model_copy(update={"checkpoint": checkpoint}),
        }
    )


def enlarge(
    before: Checkpoint,
    after: Checkpoint,
    request: GenerationRequest,
    hires: Hires,
    latent: Tensor,
    tile_pixels: int,
) -> Tensor:
    """Latents (B, C, h, w) at the size of the second pass.

    In pixels, `before` decodes what it painted and `after` encodes what it goes on with. Where
    width and height are both given, what lies beyond them is cut off evenly.
    """
    size = hires_size(request.canvas, hires)
    width, height = size.scaled_width, size.scaled_height
    if upscaling.is_latent(hires.upscaler):
        factor = latents.FACTOR
        grown = upscaling.resize_latent(latent, width // factor, height // factor, hires.upscaler)
    else:
        images = latents.decode_images(before, latent, tile_pixels)
        images = [upscaling.resize_pixels(i, width, height, hires.upscaler) for i in images]
        pixels = torch.cat([latents.to_pixels(image) for image in images])
        grown = latents.encode(after, pixels, tile_pixels)
    return _middle(grown, size.width // latents.FACTOR, size.height // latents.FACTOR)


def _middle(latent: Tensor, width: int, height: int) -> Tensor:
    """The middle of latents (B, C, h, w), as (B, C, height, width)."""
    top, left = (latent.shape[-2] - height) // 2, (latent.shape[-1] - width) // 2
    return latent[:, :, top : top + height, left : left + width]
