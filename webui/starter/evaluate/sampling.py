"""Drawing one batch: DPM++ 2M on Karras' levels with guidance, sources, masks and controls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DPMSolverMultistepScheduler,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTokenizer

from webui.starter.gallery import to_pixels
from webui.starter.networks import SCALING
from webui.starter.tokenizer import encode_texts

CHANNELS, FACTOR = 4, 8
SIZE = 256


@dataclass(frozen=True)
class Job:
    """Pictures to draw, one for each prompt and seed; those given start from ``sources``.

    ``sources`` and ``maps`` are [n, h, w, rgb] uint8, ``masks`` [n, h, w] bool (True is painted
    anew); ``control`` names the ControlNet that is shown the maps.
    """

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    guidance: float = 5.0
    steps: int = 20
    strength: float = 1.0
    sources: np.ndarray | None = None
    masks: np.ndarray | None = None
    control: str = ""
    maps: np.ndarray | None = None


@dataclass(frozen=True)
class Networks:
    """The parts of a checkpoint in single precision, and its ControlNets by name."""

    text: CLIPTextModel
    tokenizer: CLIPTokenizer
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler: DPMSolverMultistepScheduler
    controls: dict[str, ControlNetModel]


@torch.inference_mode()
def draw_batch(networks: Networks, job: Job) -> np.ndarray:
    """Draw all of ``job`` at once; pictures [n, 256, 256, rgb] uint8."""
    states = encode_prompts(networks, job.prompts)
    scheduler = networks.scheduler
    scheduler.set_timesteps(job.steps)
    first = job.steps - min(int(job.steps * job.strength), job.steps)
    scheduler.set_begin_index(first)
    times = scheduler.timesteps[first:]
    noise = draw_noise(job.seeds)
    source = None if job.sources is None else encode_pictures(networks, job.sources)
    latents = noise
    if source is not None and job.strength < 1.0:
        latents = scheduler.add_noise(source, noise, times[:1].expand(len(noise)))
    hint = None if job.maps is None else torch.from_numpy(job.maps).permute(0, 3, 1, 2) / 255.0
    for index, time in enumerate(times):
        estimate = predict(networks, job, latents, time, states, hint)
        latents = scheduler.step(estimate, time, latents, return_dict=False)[0]
        if source is not None and job.masks is not None:
            latents = keep_source(networks, job.masks, latents, source, noise, times[index + 1 :])
    return decode_latents(networks, latents)


def predict(
    networks: Networks,
    job: Job,
    latents: torch.Tensor,
    time: torch.Tensor,
    states: torch.Tensor,
    hint: torch.Tensor | None,
) -> torch.Tensor:
    """Predict v [n, 4, h, w] with guidance; ``states`` holds the empty prompts first."""
    double = torch.cat((latents, latents))
    extra = {}
    if hint is not None:
        down, middle = networks.controls[job.control](
            double,
            time,
            encoder_hidden_states=states,
            controlnet_cond=torch.cat((hint, hint)),
            return_dict=False,
        )
        extra = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
    made = networks.unet(double, time, encoder_hidden_states=states, **extra).sample
    empty, told = made.chunk(2)
    return empty + job.guidance * (told - empty)


def keep_source(
    networks: Networks,
    masks: np.ndarray,
    latents: torch.Tensor,
    source: torch.Tensor,
    noise: torch.Tensor,
    later: torch.Tensor,
) -> torch.Tensor:
    """Put the source back outside the masks, at the noise of the step that comes next."""
    painted = torch.from_numpy(masks).float()[:, None]  # [n, 1, h, w]
    painted = torch.nn.functional.max_pool2d(painted, FACTOR)
    kept = source
    if len(later):
        kept = networks.scheduler.add_noise(source, noise, later[:1].expand(len(noise)))
    return kept * (1 - painted) + latents * painted


def encode_prompts(networks: Networks, prompts: tuple[str, ...]) -> torch.Tensor:
    """Encode prompts to states [2 n, 77, width], those of as many empty prompts first."""
    texts = [*[""] * len(prompts), *prompts]
    ids = torch.from_numpy(encode_texts(networks.tokenizer, texts)).long()
    return networks.text(input_ids=ids)[0]


def draw_noise(seeds: tuple[int, ...]) -> torch.Tensor:
    """Draw noise [n, 4, h, w], each picture's from its own seed."""
    side = SIZE // FACTOR
    makers = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn((CHANNELS, side, side), generator=one) for one in makers])


def encode_pictures(networks: Networks, pictures: np.ndarray) -> torch.Tensor:
    """Encode pictures to the means of their scaled latents."""
    return networks.vae.encode(to_pixels(pictures, "cpu")).latent_dist.mean * SCALING


def decode_latents(networks: Networks, latents: torch.Tensor) -> np.ndarray:
    """Decode scaled latents to pictures [n, h, w, rgb] uint8."""
    made = networks.vae.decode(latents / SCALING).sample.clamp(-1, 1)
    return ((made + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


@torch.inference_mode()
def round_trip(networks: Networks, pictures: np.ndarray) -> np.ndarray:
    """Encode and decode pictures: what the autoencoder alone makes of them."""
    made = [
        decode_latents(networks, encode_pictures(networks, pictures[start : start + 4]))
        for start in range(0, len(pictures), 4)
    ]
    return np.concatenate(made)
