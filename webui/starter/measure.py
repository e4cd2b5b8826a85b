"""Measure what the starter model has understood: ``python -m webui.starter.measure FOLDER``.

Each pair of prompts is drawn with the same seeds; the AUC is the share of picture pairs in the
right order (.5 is chance, 1 is always). The last lines test img2img and the autoencoder.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)
from rich.console import Console
from rich.table import Table

from webui.starter.autoencoder import measure_psnr
from webui.starter.export import load_checkpoint
from webui.starter.gallery import HELD_OUT, render_held_out
from webui.starter.scenes import draw_scene, render_scene

NATIVE = 256
STRENGTHS = (0.2, 0.4, 0.6, 0.8)
TO_NIGHT = 0.85


@dataclass(frozen=True)
class Question:
    """Two prompts, and what must be greater in the pictures of the first."""

    name: str
    more: str
    less: str
    score: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn: guidance, steps, seeds, size in pixels, pictures a batch."""

    guidance: float = 6.0
    steps: int = 18
    seeds: int = 8
    size: int = NATIVE
    batch: int = 8


def brightness(pictures: np.ndarray) -> np.ndarray:
    """Mean brightness of pictures [n, h, w, rgb], 0 to 255."""
    return pictures.mean((1, 2, 3))


def saturation(pictures: np.ndarray) -> np.ndarray:
    """Mean distance between the strongest and the weakest colour channel, 0 to 255."""
    return (pictures.max(3) - pictures.min(3)).mean((1, 2))


def ground_brightness(pictures: np.ndarray) -> np.ndarray:
    """Mean brightness of the lowest fifth."""
    return brightness(pictures[:, pictures.shape[1] * 4 // 5 :])


def sky_warmth(pictures: np.ndarray) -> np.ndarray:
    """Mean of red minus blue in the upper half."""
    sky = pictures[:, : pictures.shape[1] // 2]
    return (sky[..., 0] - sky[..., 2]).mean((1, 2))


def count_hue(target: tuple[int, int]) -> Callable[[np.ndarray], np.ndarray]:
    """Make a score: the share of pixels where channel ``target[0]`` far exceeds the other."""

    def score(pictures: np.ndarray) -> np.ndarray:
        middle = pictures[:, pictures.shape[1] * 2 // 5 :]
        return (middle[..., target[0]] - middle[..., target[1]] > 60).mean((1, 2))

    return score


def list_questions() -> tuple[Question, ...]:
    """List the pairs that are measured."""
    return (
        Question("night is darker", "a house by day", "a house at night", brightness),
        Question(
            "sketch has less colour",
            "a painting of a house and a tree",
            "a pencil sketch of a house and a tree",
            saturation,
        ),
        Question(
            "winter ground is brighter",
            "a house in winter, snow, day",
            "a house in summer, grass, day",
            ground_brightness,
        ),
        Question(
            "sunset sky is warmer",
            "a house in a meadow at sunset",
            "a house in a meadow by day",
            sky_warmth,
        ),
        Question(
            "autumn tree is redder",
            "a tree in autumn, day",
            "a tree in summer, day",
            count_hue((0, 2)),
        ),
        Question("red house", "a red house, day", "a blue house, day", count_hue((0, 2))),
        Question("blue house", "a blue house, day", "a red house, day", count_hue((2, 0))),
    )


def draw_pictures(pipeline: StableDiffusionPipeline, prompt: str, sampling: Sampling) -> np.ndarray:
    """Draw ``prompt`` once for each seed; pictures [n, h, w, rgb] from 0 to 255."""
    made = []
    for start in range(0, sampling.seeds, sampling.batch):
        seeds = range(start, min(start + sampling.batch, sampling.seeds))
        made.append(
            pipeline(
                [prompt] * len(seeds),
                num_inference_steps=sampling.steps,
                guidance_scale=sampling.guidance,
                width=sampling.size,
                height=sampling.size,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
                output_type="np",
            ).images
        )
    return np.concatenate(made) * 255.0


def compare_scores(more: np.ndarray, less: np.ndarray) -> float:
    """Tell the share of pairs in which ``more`` is greater; ties count half."""
    gap = more[:, None] - less[None]
    return float((gap > 0).mean() + 0.5 * (gap == 0).mean())


def measure_meaning(
    pipeline: StableDiffusionPipeline, sampling: Sampling
) -> list[tuple[str, float, float, float]]:
    """Ask every question; rows of name, AUC and the two mean scores."""
    rows = []
    for question in list_questions():
        more = question.score(draw_pictures(pipeline, question.more, sampling))
        less = question.score(draw_pictures(pipeline, question.less, sampling))
        rows.append((question.name, compare_scores(more, less), more.mean(), less.mean()))
    return rows


def pick_photos(count: int, size: int) -> np.ndarray:
    """Render held-out photo-like day scenes [n, h, w, rgb]."""
    found: list[np.ndarray] = []
    seed = HELD_OUT + 10_000
    while len(found) < count:
        scene = draw_scene(seed)
        if scene.style == "photo" and scene.light == "day":
            found.append(render_scene(scene, size).picture)
        seed += 1
    return np.stack(found)


def repaint_photos(
    pipeline: StableDiffusionPipeline,
    photos: np.ndarray,
    prompt: str,
    strength: float,
    sampling: Sampling,
) -> np.ndarray:
    """Send photos through img2img; pictures [n, h, w, rgb] from 0 to 255."""
    repaint = StableDiffusionImg2ImgPipeline(**pipeline.components, requires_safety_checker=False)
    repaint.set_progress_bar_config(disable=True)
    pixels = torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255.0
    made = repaint(
        [prompt] * len(photos),
        image=pixels,
        strength=strength,
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.guidance,
        generator=[torch.Generator().manual_seed(seed) for seed in range(len(photos))],
        output_type="np",
    )
    return made.images * 255.0


def measure_repainting(
    pipeline: StableDiffusionPipeline, sampling: Sampling
) -> list[tuple[str, str]]:
    """Measure img2img: distance to the source by strength, and day to night."""
    photos = pick_photos(4, sampling.size)
    errors = []
    for strength in STRENGTHS:
        made = repaint_photos(pipeline, photos, "a house by day", strength, sampling)
        errors.append(float(np.sqrt(((made - photos) ** 2).mean())))
    rising = all(a < b for a, b in pairwise(errors))
    told = " ".join(f"{error:.1f}" for error in errors)
    night = repaint_photos(pipeline, photos, "a house at night", TO_NIGHT, sampling)
    change = float((brightness(night) - brightness(photos)).mean())
    return [
        (f"img2img RMSE at {STRENGTHS}", f"{told} ({'rising' if rising else 'NOT rising'})"),
        (f"img2img to night at {TO_NIGHT}: brightness change", f"{change:+.1f} of 255"),
    ]


def measure_vae(pipeline: StableDiffusionPipeline) -> list[tuple[str, str]]:
    """Measure the autoencoder on held-out scenes."""
    device = str(pipeline.device)
    sizes = ((128, 24), (256, 16))
    scores = [measure_psnr(pipeline.vae, render_held_out(n, s), device) for s, n in sizes]
    names = [f"VAE PSNR at {size} px" for size, _ in sizes]
    return [(name, f"{score:.2f} dB") for name, score in zip(names, scores, strict=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure a checkpoint folder and print the tables."""
    parser = argparse.ArgumentParser("webui.starter.measure", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--guidance", type=float, default=6.0)
    parser.add_argument("--steps", type=int, default=18)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--size", type=int, default=NATIVE)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    pipeline = load_checkpoint(options.folder, options.device)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    sampling = Sampling(options.guidance, options.steps, options.seeds, options.size)
    meaning = Table("pair", "AUC", "first", "second")
    for name, area, more, less in measure_meaning(pipeline, sampling):
        meaning.add_row(name, f"{area:.2f}", f"{more:.3g}", f"{less:.3g}")
    other = Table("what", "measured")
    for row in (*measure_repainting(pipeline, sampling), *measure_vae(pipeline)):
        other.add_row(*row)
    console = Console()
    console.print(meaning)
    console.print(other)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
