"""Rendered scenes and their latents, kept in files so that a run can be resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from rich.progress import track

from webui.starter.batches import LatentSet
from webui.starter.scenes import Rendering, Scene, draw_scene, render_scene

FIRST_SEED = {128: 1_000_000, 256: 2_000_000}
OTHER_SEED = 3_000_000
HELD_OUT = 5_000_000
BATCH = 16


@dataclass(frozen=True)
class Theme:
    """Which scenes a gallery shows and how they are drawn; ``name`` begins its files' names."""

    name: str
    first_seed: int | None
    choose: Callable[[Scene], bool]
    draw: Callable[[Scene, int], Rendering]


EVERYTHING = Theme("", None, lambda scene: True, render_scene)


@dataclass(frozen=True)
class Gallery:
    """Pictures [n, s, s, rgb] uint8 with their scenes and what shows in them."""

    size: int
    pictures: np.ndarray
    shown: list[frozenset[str]]
    theme: Theme = EVERYTHING

    @cached_property
    def scenes(self) -> list[Scene]:
        """The scenes of the pictures, drawn again from their seeds."""
        return list(islice(choose_scenes(self.theme, self.size), len(self.pictures)))

    @property
    def stem(self) -> str:
        """What the names of its files begin with."""
        return f"{self.theme.name}-" if self.theme.name else ""


def choose_scenes(theme: Theme, size: int) -> Iterator[Scene]:
    """Draw the scenes of a theme one after another, without end."""
    first = theme.first_seed
    if first is None:
        first = FIRST_SEED.get(size, OTHER_SEED)
    return (scene for scene in map(draw_scene, count(first)) if theme.choose(scene))


def build_gallery(folder: Path, size: int, pictures: int, theme: Theme = EVERYTHING) -> Gallery:
    """Render ``pictures`` scenes at ``size`` pixels, or open them where that was done before."""
    stem = f"{theme.name}-" if theme.name else ""
    path, names = folder / f"{stem}scenes-{size}.npy", folder / f"{stem}shown-{size}.json"
    if not names.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shape = (pictures, size, size, 3)
        store = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        shown = []
        scenes = islice(choose_scenes(theme, size), pictures)
        label = f"{stem}scenes at {size} px"
        for index, scene in enumerate(track(scenes, label, total=pictures)):
            made = theme.draw(scene, size)
            store[index] = made.picture
            shown.append(sorted(made.shown))
        store.flush()
        names.write_text(json.dumps(shown))
    listed = [frozenset(entry) for entry in json.loads(names.read_text())]
    return Gallery(size, np.load(path, mmap_mode="r"), listed, theme)


def choose_latents(
    gallery: Gallery, moments: np.ndarray, choose: Callable[[Scene], bool], batch: int
) -> LatentSet:
    """Choose encoded scenes to learn from."""
    rows = [row for row in range(len(moments)) if choose(gallery.scenes[row])]
    return LatentSet(
        scenes=[gallery.scenes[row] for row in rows],
        shown=[gallery.shown[row] for row in rows],
        moments=moments[rows],
        rows=np.array(rows),
        batch=batch,
    )


def render_held_out(number: int, size: int) -> np.ndarray:
    """Render pictures [n, s, s, rgb] that no training run sees."""
    seeds = range(HELD_OUT, HELD_OUT + number)
    return np.stack([render_scene(draw_scene(seed), size).picture for seed in seeds])


def to_pixels(pictures: np.ndarray, device: str) -> torch.Tensor:
    """Turn pictures [n, h, w, rgb] uint8 into pixels [n, rgb, h, w] in [-1, 1]."""
    tensor = torch.from_numpy(np.array(pictures)).to(device)
    return tensor.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1.0


def forget_latents(folder: Path) -> None:
    """Have every gallery encoded anew, since the autoencoder has changed."""
    for mark in folder.glob("*latents-*.done"):
        mark.unlink()


@torch.inference_mode()
def build_latents(folder: Path, gallery: Gallery, vae: AutoencoderKL, device: str) -> np.ndarray:
    """Encode a gallery to moments [n, mean and log variance (8), s/8, s/8] float16, once."""
    name = f"{gallery.stem}latents-{gallery.size}"
    path, mark = folder / f"{name}.npy", folder / f"{name}.done"
    if not mark.exists():
        side = gallery.size // 8
        shape = (len(gallery.pictures), 8, side, side)
        store = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
        for start in track(
            range(0, shape[0], BATCH), f"{gallery.stem}latents at {gallery.size} px"
        ):
            pixels = to_pixels(gallery.pictures[start : start + BATCH], device)
            with torch.autocast(torch.device(device).type, torch.bfloat16):
                moments = vae.encode(pixels).latent_dist.parameters
            store[start : start + BATCH] = moments.float().cpu().numpy()
        store.flush()
        mark.touch()
    return np.load(path)
