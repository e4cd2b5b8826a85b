"""The studio: loads a checkpoint, draws jobs in batches and remembers what was drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
from diffusers import ControlNetModel, DPMSolverMultistepScheduler

from webui.starter.evaluate.sampling import Job, Networks, draw_batch
from webui.starter.export import load_checkpoint

BATCH = 8
VERSION = 1
PARTS = ("scheduler", "text_encoder", "tokenizer", "unet", "vae")
CONTROL_PREFIX = "controlnet-"

Tell = Callable[[str, int, int], None]


class Studio:
    """Draws pictures with one checkpoint; finished batches lie in a folder, so a run resumes."""

    def __init__(self, folder: Path, cache: Path, tell: Tell) -> None:
        """Load ``folder``; ``tell`` hears what is drawn, how many are done and of how many."""
        self.folder, self.tell = folder, tell
        self.digest = digest_parts(folder, PARTS)
        self.cache = cache / self.digest[:16]
        self.cache.mkdir(parents=True, exist_ok=True)
        self.networks = load_networks(folder)

    def has_control(self, name: str) -> bool:
        """Tell whether the checkpoint comes with the ControlNet ``name``."""
        return name in self.networks.controls

    def draw(self, name: str, job: Job) -> np.ndarray:
        """Draw ``job``, or find it drawn; pictures [n, h, w, rgb] uint8."""
        count, made = len(job.prompts), []
        for start in range(0, count, BATCH):
            self.tell(name, start, count)
            part = cut_job(job, slice(start, start + BATCH))
            path = self.cache / f"{self.name_job(part)}.npy"
            if not path.exists():
                draft = path.with_suffix(".draft.npy")
                np.save(draft, draw_batch(self.networks, part))
                draft.replace(path)
            made.append(np.load(path))
        self.tell(name, count, count)
        return np.concatenate(made)

    def name_job(self, job: Job) -> str:
        """Name a job by everything that decides its pictures."""
        found = hashlib.sha256(str(VERSION).encode())
        if job.control:
            found.update(digest_parts(self.folder, (CONTROL_PREFIX + job.control,)).encode())
        for value in astuple(job):
            found.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
            found.update(b"|")
        return found.hexdigest()[:32]

    def draw_prompt(self, prompt: str, seeds: int, **settings: float) -> np.ndarray:
        """Draw one prompt from seeds 0, 1, 2 ..."""
        job = Job((prompt,) * seeds, tuple(range(seeds)))
        return self.draw(prompt, replace(job, **settings))


def load_networks(folder: Path) -> Networks:
    """Load a checkpoint and the ControlNets in folders beside its parts."""
    pipeline = load_checkpoint(folder)
    scheduler = DPMSolverMultistepScheduler.from_config(
        pipeline.scheduler.config, use_karras_sigmas=True
    )
    found = sorted(folder.glob(f"{CONTROL_PREFIX}*/config.json"))
    controls = {
        path.parent.name.removeprefix(CONTROL_PREFIX): ControlNetModel.from_pretrained(
            path.parent, local_files_only=True
        )
        .float()
        .eval()
        for path in found
    }
    return Networks(
        text=pipeline.text_encoder.eval(),
        tokenizer=pipeline.tokenizer,
        unet=pipeline.unet.eval(),
        vae=pipeline.vae.eval(),
        scheduler=scheduler,
        controls=controls,
    )


def cut_job(job: Job, part: slice) -> Job:
    """Cut a batch out of a job."""
    return replace(
        job,
        prompts=job.prompts[part],
        seeds=job.seeds[part],
        sources=None if job.sources is None else job.sources[part],
        masks=None if job.masks is None else job.masks[part],
        maps=None if job.maps is None else job.maps[part],
    )


def digest_parts(folder: Path, parts: Sequence[str]) -> str:
    """Name some parts of a checkpoint by the contents of all their files."""
    found = hashlib.sha256()
    for path in sorted(path for part in parts for path in (folder / part).rglob("*")):
        if path.is_file():
            found.update(path.relative_to(folder).as_posix().encode())
            found.update(path.read_bytes())
    return found.hexdigest()
