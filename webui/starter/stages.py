"""Every stage of the training, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import torch

from webui.starter.autoencoder import AutoencoderRun, train_autoencoder
from webui.starter.basis import ThemeLesson
from webui.starter.conditions import Mapper, has_people, map_depth, map_edges, map_poses
from webui.starter.controlnet import RATE as CONTROL_RATE
from webui.starter.controlnet import ControlLesson, build_controlnet
from webui.starter.denoiser import DenoiserRun, train_denoiser
from webui.starter.embedding import RATE as EMBEDDING_RATE
from webui.starter.embedding import Embedding, EmbeddingLesson, is_polar_night
from webui.starter.export import export_checkpoint, export_controlnet, export_tensors, export_unet
from webui.starter.gallery import Gallery, Theme, forget_latents
from webui.starter.ink import INKED, copy_unet
from webui.starter.ink import RATE as INK_RATE
from webui.starter.lesson import Lesson, Pair
from webui.starter.lora import RATE as LORA_RATE
from webui.starter.lora import WASHED, LoraNetwork
from webui.starter.practice import Outcome
from webui.starter.previewer import RATE as PREVIEWER_RATE
from webui.starter.previewer import PreviewerLesson
from webui.starter.scenes import render_scene
from webui.starter.tokenizer import build_tokenizer, load_tokenizer
from webui.starter.upscaler import RATE as UPSCALER_RATE
from webui.starter.upscaler import Upscaler, UpscalerLesson
from webui.starter.workshop import Workshop
from webui.weights.exporting import export_controlnet as export_original
from webui.weights.previewer import FILE, FOLDER, Previewer

PEOPLE = Theme("people", 8_000_000, has_people, render_scene)
POLAR = Theme("polar", 9_000_000, is_polar_night, render_scene)
MAPPERS: dict[str, Callable[[Workshop, Gallery], Mapper]] = {
    "canny": lambda shop, gallery: map_edges(gallery),
    "depth": lambda shop, gallery: map_depth(shop.folder, gallery),
    "openpose": lambda shop, gallery: map_poses(gallery),
}


@dataclass(frozen=True)
class Stage:
    """One stage: its share of the whole time, and its work; None comes where nothing is learned."""

    name: str
    share: float
    work: Callable[[Workshop], Outcome | None]


def list_stages() -> tuple[Stage, ...]:
    """List the stages in the order in which they build on one another."""
    return (
        Stage("scenes", 0.0, render_galleries),
        Stage("tokenizer", 0.0, learn_words),
        Stage("vae", 0.07, learn_latents),
        Stage("unet", 0.60, learn_scenes),
        Stage("previewer", 0.01, learn_previews),
        Stage("upscaler-2x", 0.02, lambda shop: learn_to_enlarge(shop, 2)),
        Stage("upscaler-4x", 0.02, lambda shop: learn_to_enlarge(shop, 4)),
        Stage("canny", 0.07, lambda shop: learn_condition(shop, "canny", 100)),
        Stage("depth", 0.06, lambda shop: learn_condition(shop, "depth", 101)),
        Stage("openpose", 0.06, lambda shop: learn_condition(shop, "openpose", 102)),
        Stage("ink", 0.06, learn_ink),
        Stage("lora", 0.02, learn_wash),
        Stage("embedding", 0.01, learn_new_words),
    )


def render_galleries(shop: Workshop) -> None:
    """Render the scenes at both sizes."""
    shop.console.say(f"scenes: {len(shop.small.pictures)} and {len(shop.large.pictures)}")


def learn_words(shop: Workshop) -> None:
    """Build the tokenizer, unless that was done before."""
    folder = shop.folder / "tokenizer"
    if not (folder / "tokenizer_config.json").exists():
        tokenizer = build_tokenizer(folder, shop.options.captions)
        shop.console.say(f"tokenizer: {len(tokenizer)} entries")


def learn_latents(shop: Workshop) -> Outcome | None:
    """Train the VAE and encode both galleries."""
    options = shop.options
    run = AutoencoderRun(
        folder=shop.folder,
        galleries=(shop.small, shop.large),
        budget=shop.budget(),
        console=shop.console,
        device=shop.device,
        batch=min(AutoencoderRun.batch, options.batch),
        seed=shop.seed,
        further=options.further,
        save_seconds=options.save_minutes * 60,
    )
    outcome = train_autoencoder(run)
    if outcome is not None:
        forget_latents(shop.folder)
    for gallery in (shop.small, shop.large):
        shop.latents(gallery, 1)
    return outcome


def learn_scenes(shop: Workshop) -> Outcome:
    """Train the UNet with its text encoder and export the checkpoint."""
    options, words, vae = shop.options, shop.words, shop.vae
    tokenizer = load_tokenizer(words)
    small, large = (
        shop.latents(gallery, options.batch, lambda scene: len(scene.things) <= options.crowd)
        for gallery in (shop.small, shop.large)
    )
    lesson = Lesson(
        words=words,
        small=small,
        large=large,
        device=shop.device,
        seed=shop.seed,
        rate=options.rate or Lesson.rate,
        large_from=options.large_from,
        widths=tuple(options.widths),
    )

    def export(pair: Pair) -> None:
        export_checkpoint(shop.folder / "export-latest", pair, vae, tokenizer, words)
        shop.console.say(f"exported at {datetime.now():%H:%M}")

    run = DenoiserRun(
        folder=shop.folder,
        lesson=lesson,
        budget=shop.budget(),
        console=shop.console,
        export=export,
        partners=options.partners,
        reading=options.reading_steps,
        decay=options.decay,
        start_from=options.start_from,
        further=options.further,
        save_seconds=options.save_minutes * 60,
        export_seconds=options.export_minutes * 60,
    )
    pair, outcome = train_denoiser(run)
    export_checkpoint(shop.out, pair, vae, tokenizer, words)
    return outcome


def learn_previews(shop: Workshop) -> Outcome:
    """Train and export the previewer of latents."""
    torch.manual_seed(shop.seed)
    model, gallery = Previewer().to(shop.device), shop.large
    source = shop.latents(gallery, shop.options.batch)
    lesson = PreviewerLesson(gallery, source, model, shop.device, shop.seed, 110)
    outcome = shop.practise("previewer", model, lesson.learn, PREVIEWER_RATE)
    export_tensors(shop.out / FOLDER / FILE, model.state_dict())
    return outcome


def learn_to_enlarge(shop: Workshop, scale: int) -> Outcome:
    """Train and export an upscaler."""
    name = f"upscaler-{scale}x"
    torch.manual_seed(shop.seed)
    model = Upscaler(scale).to(shop.device)
    batch = max(shop.options.batch // 2, 1)
    lesson = UpscalerLesson(shop.sharp, model, scale, batch, shop.device, shop.seed, 120 + scale)
    outcome = shop.practise(name, model, lesson.learn, UPSCALER_RATE)
    path = shop.out / "upscalers" / f"starter-{scale}x.safetensors"
    export_tensors(path, model.state_dict(), {"modelspec.title": path.stem})
    return outcome


def learn_condition(shop: Workshop, name: str, stage: int) -> Outcome:
    """Train and export a ControlNet; canny's also as one file with the original names."""
    basis = shop.basis()
    gallery = shop.themed(PEOPLE) if name == "openpose" else shop.large
    source = shop.latents(gallery, shop.options.batch)
    mapper = MAPPERS[name](shop, gallery)
    network = build_controlnet(basis, mapper, shop.seed)
    lesson = ControlLesson(basis, source, mapper, network, shop.seed, stage)
    outcome = shop.practise(name, network, lesson.learn, CONTROL_RATE)
    folder = shop.out / f"controlnet-{name}"
    export_controlnet(folder, network)
    if name == "canny":
        export_original(folder, folder.with_suffix(".safetensors"))
    return outcome


def learn_ink(shop: Workshop) -> Outcome:
    """Train the second checkpoint from the first and export it beside that."""
    basis = shop.basis()
    source = shop.latents(shop.themed(INKED), shop.options.batch)
    unet = copy_unet(basis)
    lesson = ThemeLesson(basis, source, unet, shop.seed, 130)
    outcome = shop.practise("ink", unet, lesson.learn, INK_RATE)
    export_unet(shop.ink, unet, shop.out)
    return outcome


def learn_wash(shop: Workshop) -> Outcome:
    """Train and export the LoRA for the second checkpoint."""
    basis = shop.basis(shop.ink / "unet")
    source = shop.latents(shop.themed(WASHED), shop.options.batch)
    network = LoraNetwork(basis.unet, basis.text, shop.seed).to(shop.device)
    lesson = ThemeLesson(basis, source, basis.unet, shop.seed, 140)
    outcome = shop.practise("lora", network, lesson.learn, LORA_RATE)
    path = shop.out / "lora" / "sunset.safetensors"
    export_tensors(path, network.pack(), network.describe(path.stem))
    return outcome


def learn_new_words(shop: Workshop) -> Outcome:
    """Train and export the embedding."""
    basis = shop.basis()
    source = shop.latents(shop.themed(POLAR), shop.options.batch)
    embedding = Embedding(basis, shop.seed).to(shop.device)
    lesson = EmbeddingLesson(basis, source, embedding, shop.seed, 150)
    outcome = shop.practise("embedding", embedding, lesson.learn, EMBEDDING_RATE)
    path = shop.out / "embeddings" / "polarnight.safetensors"
    export_tensors(path, embedding.pack(), {"modelspec.title": path.stem})
    return outcome
