"""The VAE stage: training on crops, then folding, so that scaled latents have unit deviation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from webui.starter.clock import Budget
from webui.starter.console import Console
from webui.starter.gallery import Gallery, render_held_out, to_pixels
from webui.starter.linear_start import start_linear
from webui.starter.networks import SCALING, build_autoencoder
from webui.starter.practice import Outcome, Practice, practise
from webui.starter.states import seed_step

CROP = 64
LARGE_SHARE = 0.4
RATE = 6e-4
KL_WEIGHT = 5e-4
FOLD_PICTURES = 512


@dataclass
class AutoencoderRun:
    """Everything the VAE stage needs: where, from what, how long."""

    folder: Path
    galleries: tuple[Gallery, Gallery]
    budget: Budget
    console: Console
    device: str = "cpu"
    batch: int = 6
    seed: int = 0
    further: bool = False
    save_seconds: float = 120.0


def train_autoencoder(run: AutoencoderRun) -> Outcome | None:
    """Train, average and fold the autoencoder into ``vae``; None where that was done before."""
    finished = run.folder / "vae"
    if (finished / "config.json").exists() and not run.further:
        return None
    torch.manual_seed(run.seed)
    model = build_autoencoder()
    start_linear(model)
    model.to(run.device).train()
    outcome = practise(
        Practice(
            name="vae",
            folder=run.folder,
            module=model,
            learn=lambda step: reconstruct(run, model, step),
            budget=run.budget,
            console=run.console,
            device=run.device,
            rate=RATE,
            decay=0.995,
            further=run.further,
            save_seconds=run.save_seconds,
        )
    )
    model.eval()
    size = run.galleries[1].size
    check = render_held_out(min(16, len(run.galleries[1].pictures)), size)
    before = measure_psnr(model, check, run.device)
    fold_scaling(model, run.galleries, run.device)
    after = measure_psnr(model, check, run.device)
    run.console.say(f"vae: {before:.2f} dB at {size} px, {after:.2f} dB once folded")
    model.save_pretrained(finished)
    return outcome


def reconstruct(run: AutoencoderRun, model: AutoencoderKL, step: int) -> torch.Tensor:
    """Reconstruct the batch of crops of ``step``; returns the loss."""
    generator, rng = seed_step(run.seed, step, 1)
    pixels = cut_crops(run, rng)
    with torch.autocast(torch.device(run.device).type, torch.bfloat16):
        posterior = model.encode(pixels).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(run.device)
        made = model.decode(posterior.mean + posterior.std * noise).sample
    loss = reconstruction_loss(made.float(), pixels)
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    return loss + KL_WEIGHT * 0.5 * (mean**2 + logvar.exp() - 1.0 - logvar).mean()


def cut_crops(run: AutoencoderRun, rng: np.random.Generator) -> torch.Tensor:
    """Cut a batch of crops [b, 3, 64, 64], some from the large pictures, some mirrored."""
    crops = []
    for _ in range(run.batch):
        gallery = run.galleries[int(rng.random() < LARGE_SHARE)]
        picture = gallery.pictures[int(rng.integers(len(gallery.pictures)))]
        y, x = (int(v) for v in rng.integers(0, gallery.size - CROP + 1, 2))
        crop = picture[y : y + CROP, x : x + CROP]
        crops.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    return to_pixels(np.stack(crops), run.device)


def reconstruction_loss(made: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Compare pictures: L1, half of the L1 of their gradients, and the squared error."""
    gap = made - pixels
    rows = (gap[:, :, 1:] - gap[:, :, :-1]).abs().mean()
    columns = (gap[..., 1:] - gap[..., :-1]).abs().mean()
    return gap.abs().mean() + 0.5 * (rows + columns) + (gap**2).mean()


@torch.inference_mode()
def measure_psnr(model: AutoencoderKL, pictures: np.ndarray, device: str) -> float:
    """Tell the mean PSNR in dB of decoding what was encoded."""
    scores = []
    for start in range(0, len(pictures), 4):
        pixels = to_pixels(pictures[start : start + 4], device)
        made = model.decode(model.encode(pixels).latent_dist.mean).sample.clamp(-1, 1)
        error = ((made - pixels) ** 2).mean((1, 2, 3))
        scores.append(10 * torch.log10(4.0 / error))
    return float(torch.cat(scores).mean())


@torch.no_grad()
def fold_scaling(model: AutoencoderKL, galleries: tuple[Gallery, Gallery], device: str) -> None:
    """Fold each channel's mean and deviation into the 1x1 convolutions around the latents.

    Afterwards latents times the scaling factor have mean 0 and deviation 1, and the
    autoencoder as a whole is the same function as before.
    """
    sums: list[torch.Tensor] = []
    for gallery in galleries:
        count = min(FOLD_PICTURES // 2, len(gallery.pictures))
        for start in range(0, count, 8):
            pixels = to_pixels(gallery.pictures[start : min(start + 8, count)], device)
            mean = model.encode(pixels).latent_dist.mean
            sums.append(mean.permute(1, 0, 2, 3).flatten(1))
    latents = torch.cat(sums, 1)  # [4, n]
    middle, deviation = latents.mean(1), latents.std(1)
    scale = deviation * SCALING
    into, back = model.quant_conv, model.post_quant_conv
    into.bias[:4] = (into.bias[:4] - middle) / scale
    into.weight[:4] /= scale[:, None, None, None]
    into.bias[4:] -= 2 * scale.log()
    back.bias += (back.weight[:, :, 0, 0] * middle).sum(1)
    back.weight *= scale[None, :, None, None]
