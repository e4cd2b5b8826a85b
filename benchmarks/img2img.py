"""Our img2img beside a plain diffusers pipeline on the same starter weights.

Usage: python -m benchmarks.img2img [--rounds 11] [--size 512] [--steps 20] [--device cpu]
Ours goes the whole way: the request is submitted to the stored queue, painted by the worker
process, and filed durably. The pipeline ends with `image.save`. Both run the same number of steps
with the same dtype and threads, in turn; every round has its own picture and prompt, so nothing
that was remembered helps. Prints the medians and their ratio. Then a worker in this process shows
our own part of the time: everything that is neither a module's forward call nor PNG encoding.
"""

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the worker has it

import torch
from diffusers import (
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    UNet2DConditionModel,
)
from diffusers.models.autoencoders import vae
from PIL import Image
from transformers import CLIPTextModel

from webui.app import House, build_house
from webui.app.house import MakeWorker
from webui.contract.request import Blob, GenerationRequest
from webui.generation import engine
from webui.jobs.workers.inprocess import InProcessWorker
from webui.jobs.workers.process import ProcessWorker
from webui.settings import load_settings

ROOT = Path(__file__).resolve().parent.parent
STRENGTH = 0.75
CFG_SCALE = 7.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Run both in turn, then ours alone with a clock in every module; print a table."""
    pairs = compare(folder / "process", options)
    own = own_part(folder / "inprocess", options)
    rows = [
        ("ours, request to filed PNG", f"{statistics.median(p[0] for p in pairs):.3f} s"),
        ("diffusers img2img pipeline", f"{statistics.median(p[1] for p in pairs):.3f} s"),
        ("ratio, median of pairs", f"{statistics.median(a / b for a, b in pairs):.3f}"),
        ("our own part, median", f"{statistics.median(own) * 1000:.1f} ms"),
    ]
    sys.stdout.write(
        f"{options.size}x{options.size}, {steps_run(options.steps)} steps, {options.device}, "
        f"float32, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{len(pairs)} rounds\n"
    )
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        sys.stdout.write(f"{name:<{width}}  {value}\n")


def compare(folder: Path, options: argparse.Namespace) -> list[tuple[float, float]]:
    """Seconds of ours and theirs for each round; one round before warms both up."""
    house = open_house(folder, options, ProcessWorker)
    pipeline = open_pipeline(options)
    pairs: list[tuple[float, float]] = []
    for number in range(-1, options.rounds):
        source = picture(options.size, number)
        blob = house.blobs.put(source, "source.image")  # an upload comes before its request
        ours = timed(lambda b=blob, n=number: run_ours(house, b, n, options))
        theirs = timed(lambda s=source, n=number: run_theirs(pipeline, folder, s, n, options))
        pairs.append((ours, theirs))
    house.jobs.close()
    return pairs[1:]


def own_part(folder: Path, options: argparse.Namespace) -> list[float]:
    """Seconds of ours that no module and no encoder of files had; one round warms up."""
    spent: list[float] = []
    for owner, name in (
        (UNet2DConditionModel, "forward"),
        (CLIPTextModel, "forward"),
        (vae.Encoder, "forward"),
        (vae.Decoder, "forward"),
        (engine, "encode_image"),
    ):
        setattr(owner, name, counted(getattr(owner, name), spent))
    house = open_house(folder, options, InProcessWorker)
    own: list[float] = []
    for number in range(-1, options.rounds):
        blob = house.blobs.put(picture(options.size, number), "source.image")
        spent.clear()
        whole = timed(lambda b=blob, n=number: run_ours(house, b, n, options))
        own.append(whole - sum(spent))
    house.jobs.close()
    return own[1:]


def picture(size: int, number: int) -> bytes:
    """A picture with large shapes, another one each round, as PNG."""
    gradient = Image.linear_gradient("L").resize((size, size))
    layers = (gradient, gradient.rotate(90), gradient.rotate(180).point(lambda v: v // 2))
    image = Image.merge("RGB", layers)
    image.putpixel((0, 0), (number % 256, 0, 0))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def open_house(folder: Path, options: argparse.Namespace, worker: MakeWorker) -> House:
    """A server's rooms over a scratch folder."""
    values = {
        "live.preview_seconds": 0,
        "engine.device": options.device,
        "engine.dtype": "float32",
    }
    flags = ["--data-dir", str(folder), "--safe"]
    for path, value in values.items():
        flags += ["--set", f"{path}={value}"]
    house = build_house(load_settings(flags, {}), worker)
    house.jobs.start()
    return house


def run_ours(house: House, source: Blob, number: int, options: argparse.Namespace) -> None:
    """Submit one request and wait until its file is there."""
    tree = {
        "prompt": {"positive": f"a house by a lake, day, {number}"},
        "model": {"checkpoint": "starter"},
        "sampling": {"sampler": "euler", "steps": options.steps, "cfg_scale": CFG_SCALE},
        "canvas": {"width": options.size, "height": options.size},
        "noise": {"seed": 1},
        "source": {"image": source, "denoising_strength": STRENGTH},
    }
    job = house.jobs.submit(GenerationRequest.model_validate(tree))
    assert house.jobs.wait(job.id).state == "done"


def open_pipeline(options: argparse.Namespace) -> StableDiffusionImg2ImgPipeline:
    """The plain pipeline over the same weights."""
    pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(
        ROOT / "models" / "starter",
        torch_dtype=torch.float32,
        safety_checker=None,
        requires_safety_checker=False,
        local_files_only=True,
    ).to(options.device)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def run_theirs(
    pipeline: StableDiffusionImg2ImgPipeline,
    folder: Path,
    source: bytes,
    number: int,
    options: argparse.Namespace,
) -> None:
    """One picture by the pipeline, from the same bytes to a PNG on disk."""
    # the pipeline runs int(steps * strength) steps
    asked = next(n for n in range(1000) if int(n * STRENGTH) == steps_run(options.steps))
    result = pipeline(
        f"a house by a lake, day, {number}",
        image=Image.open(io.BytesIO(source)),
        strength=STRENGTH,
        num_inference_steps=asked,
        guidance_scale=CFG_SCALE,
        generator=torch.Generator().manual_seed(1),
    )
    result.images[0].save(folder / "theirs.png")


def steps_run(steps: int) -> int:
    """The steps that img2img really runs of `steps`."""
    return int(steps * STRENGTH) + 1


def counted(function: Callable[..., object], spent: list[float]) -> Callable[..., object]:
    """The function, noting the seconds that it takes."""

    def call(*args: object, **kwargs: object) -> object:
        began = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent.append(time.perf_counter() - began)

    return call


def timed(run: Callable[[], object]) -> float:
    """The seconds that a run takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
