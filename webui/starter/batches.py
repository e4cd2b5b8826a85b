"""What a step of any stage on latents is made of: scenes, captions, noise and its weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from transformers import CLIPTokenizer

from webui.starter.networks import SCALING
from webui.starter.scenes import Scene, write_caption
from webui.starter.tokenizer import encode_texts

OFFSET_NOISE = 0.1
SNR_CAP = 5.0


@dataclass
class LatentSet:
    """Scenes with what shows in them and their latent moments [n, 8, h, w], kept in memory.

    ``rows`` are the places of the scenes in the gallery they were chosen from.
    """

    scenes: list[Scene]
    shown: list[frozenset[str]]
    moments: np.ndarray
    rows: np.ndarray
    batch: int


@dataclass
class Noised:
    """Noisy latents [b, 4, h, w] at timesteps [b], and the v [b, 4, h, w] to predict."""

    latents: torch.Tensor
    times: torch.Tensor
    target: torch.Tensor


def draw_latents(source: LatentSet, picked: np.ndarray, generator: torch.Generator) -> torch.Tensor:
    """Draw scaled latents [b, 4, h, w] of the ``picked`` scenes from their posteriors."""
    moments = torch.from_numpy(source.moments[picked].astype(np.float32))
    mean, logvar = moments.chunk(2, 1)
    noise = torch.randn(mean.shape, generator=generator)
    return (mean + (0.5 * logvar.clamp(-30, 20)).exp() * noise) * SCALING


def write_texts(
    tokenizer: CLIPTokenizer,
    source: LatentSet,
    picked: np.ndarray,
    rng: np.random.Generator,
    empty: float,
) -> tuple[torch.Tensor, list[Scene | None]]:
    """Write captions for the ``picked`` scenes as token ids [b, 77], ``empty`` of them empty.

    The second result holds the scenes, None where the caption was left empty.
    """
    told = [None if rng.random() < empty else source.scenes[i] for i in picked]
    texts = [
        "" if scene is None else write_caption(scene, source.shown[i], rng)
        for i, scene in zip(picked, told, strict=True)
    ]
    return torch.from_numpy(encode_texts(tokenizer, texts)).long(), told


def add_noise(latents: torch.Tensor, signal: torch.Tensor, generator: torch.Generator) -> Noised:
    """Add noise at random timesteps of the schedule ``signal`` (cumulative alphas, [1000])."""
    count, device = len(latents), latents.device
    noise = torch.randn(latents.shape, generator=generator)
    noise = noise + OFFSET_NOISE * torch.randn((count, 4, 1, 1), generator=generator)
    noise, times = noise.to(device), draw_times(count, generator).to(device)
    kept = signal[times][:, None, None, None]  # [b, 1, 1, 1]
    noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
    return Noised(noisy, times, kept.sqrt() * noise - (1 - kept).sqrt() * latents)


def draw_times(count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw timesteps [count] spread evenly over the schedule."""
    spread = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (spread * 1000).long().clamp(0, 999)


def weigh_times(signal: torch.Tensor) -> torch.Tensor:
    """Weigh v errors: 1 at high noise, where the layout is decided, little at low noise.

    This is min-SNR (Hang and others 2023) for v with the cap shifted by one, so that the
    first steps of sampling keep their full weight.
    """
    ratio = signal / (1 - signal)
    return (ratio.clamp(max=SNR_CAP) + 1) / (ratio + 1)
