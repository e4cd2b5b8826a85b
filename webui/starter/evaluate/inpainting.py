"""Inpainting: does what is asked for appear inside the mask?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from webui.starter.evaluate.plan import Plan
from webui.starter.evaluate.report import Findings, Row, Strip, share_row
from webui.starter.evaluate.sampling import SIZE, Job
from webui.starter.evaluate.sources import find_scenes, is_bare_meadow, is_single, render_all
from webui.starter.evaluate.statistics import is_red, split_channels
from webui.starter.evaluate.studio import Studio
from webui.starter.gallery import HELD_OUT
from webui.starter.scenes import Scene

PART = "inpaint"
SHOWN = 4


@dataclass(frozen=True)
class Region:
    """What is asked for, in which box (left, top, right, bottom, in shares), in which scenes.

    ``finds`` marks pixels of the asked-for colour; ``share`` of the box must have it.
    """

    prompt: str
    box: tuple[float, float, float, float]
    fits: Callable[[Scene], bool]
    finds: Callable[[np.ndarray], np.ndarray]
    share: float


def is_night_sky(pictures: np.ndarray) -> np.ndarray:
    """Tell [n, h, w] which pixels are dark and blue."""
    red, _, blue = split_channels(pictures.astype(np.float32))
    return (pictures.mean(3) < 105) & (blue - red > 15)


def is_water(pictures: np.ndarray) -> np.ndarray:
    """Tell [n, h, w] which pixels have the blue of water by day."""
    red, green, blue = split_channels(pictures.astype(np.float32))
    return (blue - red > 60) & (blue - green > 30)


def list_regions() -> tuple[Region, Region, Region]:
    """List what is inpainted."""

    def has_day_sky(scene: Scene) -> bool:
        return is_single(scene, "house") or is_single(scene, "oak")

    return (
        Region("night sky", (0.0, 0.0, 1.0, 0.36), has_day_sky, is_night_sky, 0.5),
        Region("lake", (0.06, 0.62, 0.94, 0.86), is_bare_meadow, is_water, 0.3),
        Region("red house", (0.22, 0.36, 0.78, 0.86), is_bare_meadow, is_red, 0.12),
    )


def make_mask(region: Region) -> np.ndarray:
    """Make the mask [h, w] bool of a region."""
    left, top, right, bottom = (round(edge * SIZE) for edge in region.box)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[top:bottom, left:right] = True
    return mask


def find_share(region: Region, pictures: np.ndarray) -> np.ndarray:
    """Tell which share [n] of the region has the asked-for colour."""
    return region.finds(pictures)[:, make_mask(region)].mean(1)


def measure_inpainting(studio: Studio, plan: Plan) -> Findings:
    """Inpaint all cases at full strength and count where the colour came."""
    rows: list[Row] = []
    strips: list[Strip] = []
    hits: list[np.ndarray] = []
    for region in list_regions():
        scenes = find_scenes(plan.masked, region.fits, HELD_OUT + 60_000)
        sources, mask = render_all(scenes), make_mask(region)
        prompts = (region.prompt,) * len(scenes)
        masks = np.stack([mask] * len(scenes))
        job = Job(prompts, tuple(range(len(scenes))), sources=sources, masks=masks)
        made = studio.draw(f"inpaint {region.prompt}", job)
        pasted = np.where(mask[None, ..., None], made, sources)
        hits.append(find_share(region, made) >= region.share)
        name = f"inpaint {region.prompt}"
        rows.append(share_row(PART, name, float(hits[-1].mean()), None, None))
        pictures = np.concatenate((sources[:SHOWN], pasted[:SHOWN]))
        strips.append(Strip(f"{name}: sources, results", pictures))
    share = float(np.concatenate(hits).mean())
    whole = share_row(PART, f"inpaint, all {3 * plan.masked} cases", share, 0.7, 0.9)
    return Findings([whole, *rows], strips)
