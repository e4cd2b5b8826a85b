"""One step of the UNet stage: a batch of noisy latents and fresh captions, and what is learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from webui.starter.clock import cool_down
from webui.starter.networks import (
    SCALING,
    TEXT_WIDTH,
    build_denoiser,
    build_scheduler,
    build_text_encoder,
)
from webui.starter.reading import Reader, teach_reading
from webui.starter.scenes import Scene, write_caption
from webui.starter.states import seed_step
from webui.starter.tokenizer import encode_texts, load_tokenizer

OFFSET_NOISE = 0.1
EMPTY_SHARE = 0.10
SNR_CAP = 5.0
READING_WEIGHT = 0.1
TEXT_PACE = 0.3
WARM_UP = 100
HOLD = 0.6


@dataclass
class LatentSet:
    """Scenes with what shows in them and their latent moments [n, 8, h, w], kept in memory."""

    scenes: list[Scene]
    shown: list[frozenset[str]]
    moments: np.ndarray
    batch: int


@dataclass
class Lesson:
    """What is to be learned and how fast; picklable, so that partners can be given it."""

    words: Path
    small: LatentSet
    large: LatentSet
    device: str = "cpu"
    seed: int = 0
    rate: float = 1e-3
    large_from: float = 0.78


class Pair(nn.Module):
    """The two networks that are trained together."""

    def __init__(self, unet: UNet2DConditionModel, text: CLIPTextModel) -> None:
        """Hold the denoiser and its text encoder."""
        super().__init__()
        self.unet, self.text = unet, text

    def forward(
        self, noisy: torch.Tensor, time: torch.Tensor, ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Predict v [b, 4, h, w] from noisy latents, timesteps [b] and token ids [b, 77].

        Returns v and the text states [b, 77, 128].
        """
        states = self.text(input_ids=ids)[0]
        return self.unet(noisy, time, encoder_hidden_states=states).sample, states


def build_pair(tokenizer: CLIPTokenizer) -> Pair:
    """Build both networks with fresh weights."""
    return Pair(build_denoiser(), build_text_encoder(tokenizer))


class Student(nn.Module):
    """Everything with weights in training: the two networks and the reading exercise."""

    def __init__(self, pair: Pair) -> None:
        """Hold the networks and a fresh reader."""
        super().__init__()
        self.pair, self.reader = pair, Reader(TEXT_WIDTH)


class Learner:
    """Two networks, their optimizer and the noise schedule: takes steps."""

    def __init__(self, lesson: Lesson, stage: int = 2) -> None:
        """Make fresh networks; ``stage`` keeps the random draws of partners apart."""
        torch.manual_seed(lesson.seed)
        self.lesson, self.stage = lesson, stage
        self.tokenizer = load_tokenizer(lesson.words)
        self.student = Student(build_pair(self.tokenizer)).to(lesson.device).train()
        self.optimizer = torch.optim.AdamW(
            [
                {"params": self.student.pair.unet.parameters(), "pace": 1.0},
                {"params": self.student.pair.text.parameters(), "pace": TEXT_PACE},
                {"params": self.student.reader.parameters(), "pace": TEXT_PACE},
            ],
            lr=lesson.rate,
            betas=(0.9, 0.99),
            weight_decay=0.01,
            fused=True,
        )
        self.signal = build_scheduler().alphas_cumprod.to(lesson.device)

    def learn(self, step: int, progress: float) -> float:
        """Learn from the batch of ``step``; returns the plain v loss."""
        lesson = self.lesson
        for group in self.optimizer.param_groups:
            group["lr"] = lesson.rate * group["pace"] * cool_down(progress, step, WARM_UP, HOLD)
        source = lesson.large if progress >= lesson.large_from else lesson.small
        generator, rng = seed_step(lesson.seed, step, self.stage)
        latents, ids, told = self.draw_batch(source, generator, rng)
        noisy, times, target = self.add_noise(latents, generator)
        with torch.autocast(torch.device(lesson.device).type, torch.bfloat16):
            made, states = self.student.pair(noisy, times, ids)
        error = ((made.float() - target) ** 2).mean((1, 2, 3))  # [b]
        loss = (error * weigh_times(self.signal[times])).mean()
        loss = loss + READING_WEIGHT * self.student.reader.grade(states, told)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        return float(error.detach().mean())

    def draw_batch(
        self, source: LatentSet, generator: torch.Generator, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, list[Scene | None]]:
        """Draw scaled latents [b, 4, h, w] from their posteriors, and token ids [b, 77].

        The third result holds the scenes, None where the caption was left empty.
        """
        picked = rng.integers(len(source.moments), size=source.batch)
        moments = torch.from_numpy(source.moments[picked].astype(np.float32))
        mean, logvar = moments.chunk(2, 1)
        noise = torch.randn(mean.shape, generator=generator)
        latents = (mean + (0.5 * logvar.clamp(-30, 20)).exp() * noise) * SCALING
        ids, told = self.draw_texts(source, picked, rng, EMPTY_SHARE)
        return latents.to(self.lesson.device), ids, told

    def draw_texts(
        self, source: LatentSet, picked: np.ndarray, rng: np.random.Generator, empty: float
    ) -> tuple[torch.Tensor, list[Scene | None]]:
        """Write captions for the ``picked`` scenes, ``empty`` of them left empty."""
        told = [None if rng.random() < empty else source.scenes[i] for i in picked]
        texts = [
            "" if scene is None else write_caption(scene, source.shown[i], rng)
            for i, scene in zip(picked, told, strict=True)
        ]
        ids = torch.from_numpy(encode_texts(self.tokenizer, texts)).long()
        return ids.to(self.lesson.device), told

    def read_first(self, steps: int) -> float:
        """Teach the text encoder to read before the denoiser sees it; returns the loss."""
        source = self.lesson.small

        def draw(step: int, count: int) -> tuple[torch.Tensor, list[Scene | None]]:
            rng = seed_step(self.lesson.seed, step, 1000 + self.stage)[1]
            picked = rng.integers(len(source.scenes), size=count)
            return self.draw_texts(source, picked, rng, 0.0)

        return teach_reading(self.student.pair.text, self.student.reader, draw, steps)

    def add_noise(
        self, latents: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return noisy latents, timesteps [b] and the v to predict."""
        count, device = len(latents), latents.device
        noise = torch.randn(latents.shape, generator=generator)
        noise = noise + OFFSET_NOISE * torch.randn((count, 4, 1, 1), generator=generator)
        noise, times = noise.to(device), draw_times(count, generator).to(device)
        kept = self.signal[times][:, None, None, None]  # [b, 1, 1, 1]
        noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
        return noisy, times, kept.sqrt() * noise - (1 - kept).sqrt() * latents


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
