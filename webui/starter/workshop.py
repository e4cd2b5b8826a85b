"""What the stages of the training share: folders, galleries, finished parts, and the clock."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn

from webui.errors import Unavailable
from webui.starter.basis import Basis
from webui.starter.batches import LatentSet
from webui.starter.clock import Budget
from webui.starter.console import Console
from webui.starter.gallery import (
    EVERYTHING,
    Gallery,
    Theme,
    build_gallery,
    build_latents,
    choose_latents,
)
from webui.starter.ink import INK_FOLDER
from webui.starter.practice import Outcome, Practice, practise
from webui.starter.scenes import Scene


class Workshop:
    """One run's options and what it has made so far; everything is opened where it exists."""

    def __init__(self, options: argparse.Namespace, console: Console, seconds: float) -> None:
        """Open the shop; ``seconds`` is the time for the next stage."""
        self.options, self.console, self.seconds = options, console, seconds
        self.folder: Path = options.workdir
        self.out: Path = options.out
        self.device: str = options.device
        self.seed: int = options.seed

    @property
    def ink(self) -> Path:
        """The folder of the second checkpoint, beside the first."""
        return self.out.with_name(INK_FOLDER)

    @property
    def words(self) -> Path:
        """The folder of the tokenizer's files. Raises Unavailable before they are made."""
        return self.require(self.folder / "tokenizer", "tokenizer_config.json", "tokenizer")

    @cached_property
    def small(self) -> Gallery:
        """Scenes at the smaller size."""
        return build_gallery(self.folder, self.options.sizes[0], self.options.scenes)

    @cached_property
    def large(self) -> Gallery:
        """Scenes at the native size."""
        return build_gallery(self.folder, self.options.sizes[1], self.options.large_scenes)

    @cached_property
    def sharp(self) -> Gallery:
        """Scenes at twice the native size."""
        size, count = 2 * self.options.sizes[1], self.options.sharp_scenes
        return build_gallery(self.folder, size, count)

    def themed(self, theme: Theme) -> Gallery:
        """Scenes of a theme at the native size."""
        return build_gallery(self.folder, self.options.sizes[1], self.options.theme_scenes, theme)

    @cached_property
    def vae(self) -> AutoencoderKL:
        """The finished autoencoder. Raises Unavailable before it is trained."""
        folder = self.require(self.folder / "vae", "config.json", "vae")
        return AutoencoderKL.from_pretrained(folder).to(self.device).eval()

    def basis(self, unet: Path | None = None) -> Basis:
        """The finished checkpoint, held still. Raises Unavailable before it is trained."""
        self.require(self.out, "model_index.json", "unet")
        if unet is not None:
            self.require(unet, "config.json", "ink")
        return Basis(self.out, self.device, unet)

    def latents(
        self,
        gallery: Gallery,
        batch: int,
        choose: Callable[[Scene], bool] = EVERYTHING.choose,
    ) -> LatentSet:
        """Encode a gallery, once, and choose scenes of it to learn from."""
        moments = build_latents(self.folder, gallery, self.vae, self.device)
        return choose_latents(gallery, moments, choose, batch)

    def budget(self) -> Budget:
        """The length of a stage that begins now."""
        return Budget(self.options.steps, self.seconds)

    def practise(
        self, name: str, module: nn.Module, learn: Callable[[int], torch.Tensor], rate: float
    ) -> Outcome:
        """Let ``module`` learn for the length of a stage."""
        return practise(
            Practice(
                name=name,
                folder=self.folder,
                module=module,
                learn=learn,
                budget=self.budget(),
                console=self.console,
                device=self.device,
                rate=self.options.rate or rate,
                further=self.options.further,
                save_seconds=self.options.save_minutes * 60,
            )
        )

    def require(self, folder: Path, name: str, stage: str) -> Path:
        """Return ``folder`` where the file ``name`` is in it; raise Unavailable where it is not."""
        if not (folder / name).exists():
            raise Unavailable(f"There is nothing in {folder} yet: run --stage {stage} first.")
        return folder
