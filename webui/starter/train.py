"""Train the starter model: ``python -m webui.starter.train --workdir W --out models/starter``.

Stages, each kept in files under the work folder and not repeated: ``scenes`` (pictures),
``tokenizer``, ``vae`` (with the latents) and ``unet`` (with the export).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from webui.starter.autoencoder import AutoencoderRun, train_autoencoder
from webui.starter.clock import Budget
from webui.starter.console import Console
from webui.starter.denoiser import DenoiserRun, train_denoiser
from webui.starter.export import export_checkpoint
from webui.starter.gallery import Gallery, build_gallery, build_latents
from webui.starter.lesson import LatentSet, Lesson, Pair
from webui.starter.tokenizer import build_tokenizer, load_tokenizer

STAGES = ("scenes", "tokenizer", "vae", "unet")


def build_parser() -> argparse.ArgumentParser:
    """Declare the command line."""
    parser = argparse.ArgumentParser("webui.starter.train", description=__doc__)
    add = parser.add_argument
    add("--stage", choices=(*STAGES, "all"), default="all", help="stop after this stage")
    add("--workdir", type=Path, required=True, help="folder for everything a run needs to resume")
    add("--out", type=Path, required=True, help="folder of the finished checkpoint")
    add("--minutes", type=float, default=60.0, help="wall-clock minutes for the UNet")
    add("--until", help="wall-clock time HH:MM at which the UNet is to be finished")
    add("--steps", type=int, default=0, help="UNet steps, instead of minutes")
    add("--vae-minutes", type=float, default=10.0, help="wall-clock minutes for the VAE")
    add("--vae-steps", type=int, default=0, help="VAE steps, instead of minutes")
    add("--scenes", type=int, default=12_000, help="pictures at 128 px")
    add("--large-scenes", type=int, default=3_000, help="pictures at 256 px")
    add("--crowd", type=int, default=2, help="most things in a scene that the UNet is shown")
    add("--captions", type=int, default=20_000, help="captions the tokenizer learns from")
    add("--reading-steps", type=int, default=400, help="steps that teach the text encoder alone")
    add("--batch", type=int, default=16, help="pictures a UNet step at 128 px, half at 256 px")
    add("--rate", type=float, default=1e-3, help="highest learning rate of the UNet")
    add("--decay", type=float, default=0.998, help="decay of the UNet's moving average")
    add("--large-from", type=float, default=0.78, help="share of the run after which 256 px begins")
    add("--save-minutes", type=float, default=4.0)
    add("--export-minutes", type=float, default=15.0)
    add("--partners", type=int, default=0, help="more processes, one core each, for the UNet")
    add("--threads", type=int, default=0)
    add("--device", default="cpu")
    add("--seed", type=int, default=0)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages asked for; returns the exit status."""
    options = build_parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    console = Console()
    last = len(STAGES) if options.stage == "all" else STAGES.index(options.stage) + 1
    folder: Path = options.workdir
    galleries = (
        build_gallery(folder, 128, options.scenes),
        build_gallery(folder, 256, options.large_scenes),
    )
    words = folder / "tokenizer"
    if last > 1 and not (words / "tokenizer_config.json").exists():
        tokenizer = build_tokenizer(words, options.captions)
        console.say(f"tokenizer: {len(tokenizer)} entries")
    if last > 2:
        vae = run_autoencoder(options, galleries, console)
        if last > 3:
            run_denoiser(options, galleries, vae, console)
    return 0


def run_autoencoder(
    options: argparse.Namespace, galleries: tuple[Gallery, Gallery], console: Console
) -> AutoencoderKL:
    """Train the VAE, or reopen it, and encode both galleries."""
    run = AutoencoderRun(
        folder=options.workdir,
        galleries=galleries,
        budget=Budget(options.vae_steps, options.vae_minutes * 60),
        console=console,
        device=options.device,
        seed=options.seed,
        save_seconds=options.save_minutes * 60,
    )
    vae = train_autoencoder(run).eval()
    for gallery in galleries:
        build_latents(options.workdir, gallery, vae, options.device)
    return vae


def run_denoiser(
    options: argparse.Namespace,
    galleries: tuple[Gallery, Gallery],
    vae: AutoencoderKL,
    console: Console,
) -> None:
    """Train the UNet with its text encoder and export the checkpoint."""
    words = options.workdir / "tokenizer"
    tokenizer = load_tokenizer(words)
    sets = [
        choose_latents(
            gallery,
            build_latents(options.workdir, gallery, vae, options.device),
            options.crowd,
            batch,
        )
        for gallery, batch in zip(galleries, (options.batch, options.batch // 2), strict=True)
    ]
    lesson = Lesson(
        words=words,
        small=sets[0],
        large=sets[1],
        device=options.device,
        seed=options.seed,
        rate=options.rate,
        large_from=options.large_from,
    )

    def export(pair: Pair) -> None:
        export_checkpoint(options.workdir / "export-latest", pair, vae, tokenizer, words)
        console.say(f"exported at {datetime.now():%H:%M}")

    run = DenoiserRun(
        folder=options.workdir,
        lesson=lesson,
        budget=Budget(options.steps, count_seconds(options)),
        console=console,
        export=export,
        partners=options.partners,
        reading=options.reading_steps,
        decay=options.decay,
        save_seconds=options.save_minutes * 60,
        export_seconds=options.export_minutes * 60,
    )
    pair, step = train_denoiser(run)
    export_checkpoint(options.out, pair, vae, tokenizer, words)
    console.say(f"unet: {step} steps, checkpoint written")


def choose_latents(gallery: Gallery, moments: np.ndarray, crowd: int, batch: int) -> LatentSet:
    """Choose the encoded scenes of at most ``crowd`` things."""
    scenes = [gallery.scene(index) for index in range(len(moments))]
    chosen = [index for index, scene in enumerate(scenes) if len(scene.things) <= crowd]
    return LatentSet(
        scenes=[scenes[index] for index in chosen],
        shown=[gallery.shown[index] for index in chosen],
        moments=moments[chosen],
        batch=batch,
    )


def count_seconds(options: argparse.Namespace) -> float:
    """Tell how many seconds the UNet has, from ``--until`` where given, else ``--minutes``."""
    if not options.until:
        return options.minutes * 60
    now = datetime.now()
    end = datetime.combine(now.date(), datetime.strptime(options.until, "%H:%M").time())
    if end < now - timedelta(hours=12):
        end += timedelta(days=1)
    return max((end - now).total_seconds(), 1.0)


if __name__ == "__main__":
    raise SystemExit(main())
