"""A finished checkpoint held still, while something that works beside it learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from webui.starter.batches import (
    LatentSet,
    Noised,
    add_noise,
    draw_latents,
    weigh_times,
    write_texts,
)
from webui.starter.export import load_checkpoint
from webui.starter.networks import attend_plainly, build_scheduler
from webui.starter.states import seed_step

EMPTY_SHARE = 0.10


@dataclass
class Batch:
    """One step's draw: noise, token ids [b, 77], rows of the gallery [b], and random sources."""

    noised: Noised
    ids: torch.Tensor
    rows: np.ndarray
    rng: np.random.Generator


Guess = Callable[[Batch], torch.Tensor]


class Basis:
    """The networks of an exported checkpoint in single precision, none of which learns."""

    def __init__(self, folder: Path, device: str, unet: Path | None = None) -> None:
        """Load the checkpoint in ``folder``, with the UNet in ``unet`` where that is given."""
        pipeline = load_checkpoint(folder, device)
        self.device = device
        self.unet, self.text, self.vae = pipeline.unet, pipeline.text_encoder, pipeline.vae
        if unet is not None:
            self.unet = UNet2DConditionModel.from_pretrained(unet).to(device, torch.float32)
        self.tokenizer = pipeline.tokenizer
        for network in (self.unet, self.text, self.vae):
            network.requires_grad_(False).eval()
        attend_plainly(self.unet)
        self.signal = build_scheduler().alphas_cumprod.to(device)

    def draw(self, source: LatentSet, seed: tuple[int, int, int], empty: float) -> Batch:
        """Draw the batch of ``seed`` (run, step, stage) with ``empty`` of its captions empty."""
        generator, rng = seed_step(*seed)
        picked = rng.integers(len(source.scenes), size=source.batch)
        latents = draw_latents(source, picked, generator).to(self.device)
        ids, _ = write_texts(self.tokenizer, source, picked, rng, empty)
        noised = add_noise(latents, self.signal, generator)
        return Batch(noised, ids.to(self.device), source.rows[picked], rng)

    def grade(self, batch: Batch, guess: Guess) -> torch.Tensor:
        """Compare the v that ``guess`` finds for a batch with the right one."""
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            made = guess(batch)
        error = ((made.float() - batch.noised.target) ** 2).mean((1, 2, 3))  # [b]
        return (error * weigh_times(self.signal[batch.noised.times])).mean()

    def read(self, ids: torch.Tensor) -> torch.Tensor:
        """Read token ids [b, 77] as text states [b, 77, 128]."""
        return self.text(input_ids=ids)[0]


@dataclass
class ThemeLesson:
    """A UNet that learns a theme's pictures with everybody's captions."""

    basis: Basis
    source: LatentSet
    unet: UNet2DConditionModel
    seed: int
    stage: int

    def learn(self, step: int) -> torch.Tensor:
        """Guess v for the batch of ``step``; returns the loss."""
        batch = self.basis.draw(self.source, (self.seed, step, self.stage), EMPTY_SHARE)
        return self.basis.grade(batch, self.guess)

    def guess(self, batch: Batch) -> torch.Tensor:
        """Guess v [b, 4, h, w]."""
        states = self.basis.read(batch.ids)
        return self.unet(batch.noised.latents, batch.noised.times, states).sample
