"""The autoencoder alone, the time a picture takes, and settings that ought to look worse."""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch

from webui.starter.autoencoder import measure_psnr
from webui.starter.evaluate.pairs import DAY
from webui.starter.evaluate.plan import Plan
from webui.starter.evaluate.report import Findings, Row, Strip
from webui.starter.evaluate.sampling import SIZE, Job, draw_batch
from webui.starter.evaluate.sources import find_scenes, is_single, render_all
from webui.starter.evaluate.statistics import compare_scores, saturation, sky_warmth
from webui.starter.evaluate.studio import Studio
from webui.starter.gallery import render_held_out

PART = "basics"
REFERENCE = 48
WORSE = 0.75
SHOWN = 8


def measure_basics(studio: Studio, plan: Plan) -> Findings:
    """Measure all three."""
    studio.tell("autoencoder", 0, 1)
    psnr = measure_psnr(studio.networks.vae, render_held_out(plan.held_out, SIZE), "cpu")
    first = Row(PART, "autoencoder on held-out scenes", f"{psnr:.2f} dB", psnr, 29.0, 31.0, "dB")
    return join(Findings([first], []), measure_overdone(studio, plan), measure_time(studio, plan))


def join(*found: Findings) -> Findings:
    """Put findings one after the other."""
    rows = [row for one in found for row in one.rows]
    return Findings(rows, [strip for one in found for strip in one.strips])


def measure_time(studio: Studio, plan: Plan) -> Findings:
    """Take the time of single pictures, wall clock and processor."""
    walls: list[float] = []
    works: list[float] = []
    for seed in range(plan.timed):
        studio.tell("time", seed, plan.timed)
        wall, work = time.perf_counter(), time.process_time()
        draw_batch(studio.networks, Job((DAY,), (seed,)))
        walls.append(time.perf_counter() - wall)
        works.append(time.process_time() - work)
    seconds = median(walls)
    threads = torch.get_num_threads()
    told = f"{seconds:.2f} s ({threads} threads, {median(works):.2f} s of processor time)"
    row = Row(PART, "seconds per image", told, seconds, 3.0, 2.0, "s", lower=True)
    return Findings([row], [])


def measure_overdone(studio: Studio, plan: Plan) -> Findings:
    """Compare CFG 15 and 4 steps with CFG 5 and 20 steps: both must look less like scenes."""
    scenes = find_scenes(REFERENCE, lambda scene: is_single(scene, "house"))
    usual = list_traits(render_all(scenes))
    centre, spread = usual.mean(0), usual.std(0) + 1e-6

    def strangeness(pictures: np.ndarray) -> np.ndarray:
        return np.abs((list_traits(pictures) - centre) / spread).mean(1)

    good = studio.draw_prompt(DAY, plan.seeds)
    strips: list[Strip] = []
    rows: list[Row] = []
    for name, settings in (("CFG 15", {"guidance": 15.0}), ("4 steps", {"steps": 4})):
        made = studio.draw_prompt(DAY, plan.seeds, **settings)
        share = compare_scores(strangeness(made), strangeness(good))
        told = f"{'yes' if share >= WORSE else 'no'} (in {share:.0%} of pairs)"
        rows.append(
            Row(PART, f"{name} is worse than CFG 5, 20 steps", told, share, WORSE, WORSE, "share")
        )
        strips.append(Strip(f"{name}: {DAY}", made[:SHOWN]))
    return Findings(rows, strips)


def list_traits(pictures: np.ndarray) -> np.ndarray:
    """List traits [n, 5]: colour, contrast, fine detail, burnt out or black, warmth of the sky."""
    found = pictures.astype(np.float32)
    grey = found.mean(3)  # [n, h, w]
    fine = np.abs(np.diff(grey, axis=1)).mean((1, 2)) + np.abs(np.diff(grey, axis=2)).mean((1, 2))
    clipped = ((found < 6) | (found > 249)).mean((1, 2, 3))
    traits = (saturation(found), grey.std((1, 2)), fine, clipped, sky_warmth(found))
    return np.stack(traits, 1)
