"""Rendered scenes and their latents, kept in files so that a run can be resumed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from rich.progress import track

from webui.starter.scenes import Scene, draw_scene, render_scene

FIRST_SEED = {128: 1_000_000, 256: 2_000_000}
HELD_OUT = 5_000_000
BATCH = 16


@dataclass(frozen=True)
class Gallery:
    """Pictures [n, s, s, rgb] uint8 with their scenes and what shows in them."""

    size: int
    pictures: np.ndarray
    shown: list[frozenset[str]]

    def scene(self, index: int) -> Scene:
        """Draw the scene of picture ``index`` again from its seed."""
        return draw_scene(FIRST_SEED.get(self.size, 3_000_000) + index)


def build_gallery(folder: Path, size: int, count: int) -> Gallery:
    """Render ``count`` scenes at ``size`` pixels, or open them where that was done before."""
    pictures, names = folder / f"scenes-{size}.npy", folder / f"shown-{size}.json"
    if not names.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shape = (count, size, size, 3)
        store = np.lib.format.open_memmap(pictures, mode="w+", dtype=np.uint8, shape=shape)
        shown = []
        for index in track(range(count), f"scenes at {size} px"):
            made = render_scene(draw_scene(FIRST_SEED.get(size, 3_000_000) + index), size)
            store[index] = made.picture
            shown.append(sorted(made.shown))
        store.flush()
        names.write_text(json.dumps(shown))
    listed = [frozenset(entry) for entry in json.loads(names.read_text())]
    return Gallery(size, np.load(pictures, mmap_mode="r"), listed)


def render_held_out(count: int, size: int) -> np.ndarray:
    """Render pictures [n, s, s, rgb] that no training run sees."""
    seeds = range(HELD_OUT, HELD_OUT + count)
    return np.stack([render_scene(draw_scene(seed), size).picture for seed in seeds])


def to_pixels(pictures: np.ndarray, device: str) -> torch.Tensor:
    """Turn pictures [n, h, w, rgb] uint8 into pixels [n, rgb, h, w] in [-1, 1]."""
    tensor = torch.from_numpy(np.array(pictures)).to(device)
    return tensor.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1.0


@torch.inference_mode()
def build_latents(folder: Path, gallery: Gallery, vae: AutoencoderKL, device: str) -> np.ndarray:
    """Encode a gallery to moments [n, mean and log variance (8), s/8, s/8] float16, once."""
    path, mark = folder / f"latents-{gallery.size}.npy", folder / f"latents-{gallery.size}.done"
    if not mark.exists():
        side = gallery.size // 8
        shape = (len(gallery.pictures), 8, side, side)
        store = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
        for start in track(range(0, shape[0], BATCH), f"latents at {gallery.size} px"):
            pixels = to_pixels(gallery.pictures[start : start + BATCH], device)
            with torch.autocast(torch.device(device).type, torch.bfloat16):
                moments = vae.encode(pixels).latent_dist.parameters
            store[start : start + BATCH] = moments.float().cpu().numpy()
        store.flush()
        mark.touch()
    return np.load(path)
