"""From a finished job to the older answer: pictures in base64, and the `info` string."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from webui.api.faults import JobFailed
from webui.api.sdapi_modules import vae_fields
from webui.contract import infotext
from webui.contract.events import Word
from webui.contract.infotext import Infotext
from webui.contract.request import GenerationRequest
from webui.contract.vocabulary import find
from webui.errors import Conflict, StorageError
from webui.jobs.service import Jobs
from webui.jobs.views import ArtifactView, ErrorView, JobView

CORE_KEYS = frozenset(
    {
        "Steps", "Sampler", "CFG scale", "Seed", "Size-1", "Size-2", "Model", "Model hash", "VAE",
        "VAE hash", "Version",
    }
)  # fmt: skip
"""Keys of an infotext that have a place of their own in `info`."""


async def wait_for(jobs: Jobs, job_id: int) -> JobView:
    """The job when it has ended; no thread is held, and a caller that leaves ends nothing.

    Raises JobFailed if it failed, Conflict if it was interrupted and waits to be continued.
    """
    async for _ in jobs.events(job_id, 0):
        pass
    job = await run_in_threadpool(jobs.get, job_id)
    if job.state == "failed":
        raise JobFailed(
            job.first_error or ErrorView(error="WebuiError", sentence="The job failed.")
        )
    if not job.ended or job.state == "paused":
        raise Conflict(f"Job {job_id} was interrupted; it can be continued from the page.")
    return job


def read_pictures(jobs: Jobs, job: JobView) -> list[str]:
    """The files of a job's pictures in base64, in order."""
    return [_read(jobs, artifact) for artifact in pictures_of(job)]


def pictures_of(job: JobView) -> list[ArtifactView]:
    """The pictures of a job, without grids and maps."""
    return [artifact for artifact in job.artifacts if artifact.role == "image"]


def describe_job(job: JobView, words: Mapping[str, tuple[Word, ...]], version: str) -> str:
    """The `info` string: the older keys in their order."""
    request, pictures = job.request, pictures_of(job)
    texts = [infotext.parse(picture.infotext) for picture in pictures]
    first = texts[0] if texts else Infotext(request.prompt.positive, request.prompt.negative, {})
    seeds = [picture.seed for picture in pictures]
    noise, strength = request.noise, request.noise.variation_strength
    subseeds = [noise.variation_seed + item.index for item in job.items][: len(pictures)]
    info: dict[str, Any] = {
        "prompt": first.prompt,
        "all_prompts": [text.prompt for text in texts],
        "negative_prompt": first.negative_prompt,
        "all_negative_prompts": [text.negative_prompt for text in texts],
        "seed": seeds[0] if seeds else noise.seed,
        "all_seeds": seeds,
        "subseed": subseeds[0] if subseeds else noise.variation_seed,
        "all_subseeds": subseeds,
        "subseed_strength": strength,
        "width": request.canvas.width,
        "height": request.canvas.height,
        "sampler_name": _label(words, "samplers", request.sampling.sampler),
        "cfg_scale": request.sampling.cfg_scale,
        "steps": request.sampling.steps,
        "batch_size": request.canvas.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": first.fields.get("Model", request.model.checkpoint),
        "sd_model_hash": first.fields.get("Model hash"),
        **vae_fields(first.fields),
        "seed_resize_from_w": noise.resize_from_width or -1,
        "seed_resize_from_h": noise.resize_from_height or -1,
        "denoising_strength": _strength(request),
        "extra_generation_params": {k: v for k, v in first.fields.items() if k not in CORE_KEYS},
        "index_of_first_image": 0,
        "infotexts": [picture.infotext for picture in pictures],
        "styles": list(request.prompt.styles),
        "job_timestamp": timestamp(job.created),
        "clip_skip": request.model.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": version or None,
    }
    return json.dumps(info, ensure_ascii=False)


def timestamp(seconds: float) -> str:
    """A time as the older surface writes it, local."""
    return time.strftime("%Y%m%d%H%M%S", time.localtime(seconds))


def _strength(request: GenerationRequest) -> float | None:
    if request.source is not None:
        return request.source.denoising_strength
    return request.hires.denoising_strength if request.hires is not None else None


def _label(words: Mapping[str, tuple[Word, ...]], vocabulary: str, name: str) -> str:
    word = find(words.get(vocabulary, ()), name)
    return word.label if word else name


def _read(jobs: Jobs, artifact: ArtifactView) -> str:
    _, path = jobs.artifact(artifact.id)
    return base64.b64encode(_bytes(path)).decode("ascii")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError("The finished picture could not be read back.", repr(error)) from error
