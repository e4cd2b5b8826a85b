"""One step of the UNet stage: a batch of noisy latents and fresh captions, and what is learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from webui.starter.batches import LatentSet, add_noise, draw_latents, weigh_times, write_texts
from webui.starter.clock import cool_down
from webui.starter.networks import (
    TEXT_WIDTH,
    WIDTHS,
    build_denoiser,
    build_scheduler,
    build_text_encoder,
)
from webui.starter.practice import CHECK_STEPS
from webui.starter.reading import Reader, teach_reading
from webui.starter.scenes import Scene
from webui.starter.states import seed_step
from webui.starter.tokenizer import load_tokenizer

EMPTY_SHARE = 0.10
READING_WEIGHT = 0.1
TEXT_PACE = 0.3
WARM_UP = 100
HOLD = 0.6


@dataclass
class Lesson:
    """What is to be learned and how fast; picklable, so that partners can be given it."""

    words: Path
    small: LatentSet
    large: LatentSet
    device: str = "cpu"
    seed: int = 0
    rate: float = 1e-3
    large_from: float = 0.5
    widths: tuple[int, ...] = WIDTHS


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


def build_pair(tokenizer: CLIPTokenizer, widths: tuple[int, ...]) -> Pair:
    """Build both networks with fresh weights."""
    return Pair(build_denoiser(widths), build_text_encoder(tokenizer))


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
        self.student = Student(build_pair(self.tokenizer, lesson.widths)).to(lesson.device).train()
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
        loss, error = self.grade(step, progress)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        return float(error.detach())

    def grade(self, step: int, progress: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Grade the networks on the batch of ``step``: the weighed loss and the plain v loss."""
        lesson = self.lesson
        source = lesson.large if progress >= lesson.large_from else lesson.small
        generator, rng = seed_step(lesson.seed, step, self.stage)
        picked = rng.integers(len(source.moments), size=source.batch)
        latents = draw_latents(source, picked, generator).to(lesson.device)
        ids, told = write_texts(self.tokenizer, source, picked, rng, EMPTY_SHARE)
        noised = add_noise(latents, self.signal, generator)
        with torch.autocast(torch.device(lesson.device).type, torch.bfloat16):
            made, states = self.student.pair(noised.latents, noised.times, ids.to(lesson.device))
        error = ((made.float() - noised.target) ** 2).mean((1, 2, 3))  # [b]
        loss = (error * weigh_times(self.signal[noised.times])).mean()
        return loss + READING_WEIGHT * self.student.reader.grade(states, told), error.mean()

    @torch.no_grad()
    def check(self) -> float:
        """Tell the mean v loss on draws that are the same every time."""
        return sum(float(self.grade(step, 1.0)[1]) for step in CHECK_STEPS) / len(CHECK_STEPS)

    def read_first(self, steps: int) -> float:
        """Teach the text encoder to read before the denoiser sees it; returns the loss."""
        source, device = self.lesson.small, self.lesson.device

        def draw(step: int, count: int) -> tuple[torch.Tensor, list[Scene | None]]:
            rng = seed_step(self.lesson.seed, step, 1000 + self.stage)[1]
            picked = rng.integers(len(source.scenes), size=count)
            ids, told = write_texts(self.tokenizer, source, picked, rng, 0.0)
            return ids.to(device), told

        return teach_reading(self.student.pair.text, self.student.reader, draw, steps)
