"""Our img2img beside a plain diffusers pipeline on the same starter weights.

Usage: python benchmarks/img2img.py [--rounds 11] [--size 512] [--steps 20] [--device cpu]
Both start from the same picture and end with a PNG on disk, run the same number of steps with the
same dtype and threads, alternating. Prints the medians, their ratio, and our own part of the time:
everything from the request to the file that is neither a module's forward call nor PNG encoding.
"""

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline
from PIL import Image

from webui.contract.items import Item
from webui.contract.request import Blob, GenerationRequest
from webui.contract.worker import EngineConfig
from webui.generation import engine as engine_module
from webui.images.decode import decode_image

ROOT = Path(__file__).resolve().parent.parent
STRENGTH = 0.75


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
    """Run both in turn and print a table."""
    source = source_png(folder, options.size)
    ours, spent = our_run(folder, source, options)
    theirs = diffusers_run(folder, source, options)
    ours(), theirs()
    pairs, own = [], []
    for _ in range(options.rounds):
        spent.clear()
        mine = timed(ours)
        own.append(mine - sum(spent))
        pairs.append((mine, timed(theirs)))
    ratio = statistics.median(mine / other for mine, other in pairs)
    rows = [
        ("ours, request to PNG on disk", f"{statistics.median(p[0] for p in pairs):.3f} s"),
        (
            "diffusers StableDiffusionImg2ImgPipeline",
            f"{statistics.median(p[1] for p in pairs):.3f} s",
        ),
        ("ratio, median of pairs (asked: at most 1.05)", f"{ratio:.3f}"),
        ("our own part (asked: under 60 ms at 512)", f"{statistics.median(own) * 1000:.1f} ms"),
    ]
    sys.stdout.write(
        f"{options.size}x{options.size}, {options.steps} steps at strength {STRENGTH}, "
        f"{options.device}, {torch.get_num_threads()} threads, torch {torch.__version__}\n"
    )
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        sys.stdout.write(f"{name:<{width}}  {value}\n")


def source_png(folder: Path, size: int) -> bytes:
    """A picture with large shapes, as PNG."""
    gradient = Image.linear_gradient("L").resize((size, size))
    picture = Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180)))
    path = folder / "source.png"
    picture.save(path)
    return path.read_bytes()


def our_run(
    folder: Path, source: bytes, options: argparse.Namespace
) -> tuple[Callable[[], object], list[float]]:
    """A function that makes one picture through the engine, and the seconds that do not count."""
    engine = engine_module.make_engine(
        EngineConfig(
            models_dir=ROOT / "models", data_dir=folder, device=options.device, preview_seconds=0
        )
    )
    image = Blob(sha256="0" * 64)
    request = GenerationRequest.model_validate(
        {
            "prompt": {"positive": "a house by a lake, day"},
            "model": {"checkpoint": "starter"},
            "sampling": {"sampler": "euler", "steps": options.steps},
            "canvas": {"width": options.size, "height": options.size},
            "noise": {"seed": 1},
            "source": {"image": image, "denoising_strength": STRENGTH, "exact_steps": False},
        }
    )
    spent: list[float] = []
    encode = engine_module.encode_image
    engine_module.encode_image = counted(encode, spent)

    def run() -> None:
        # a fresh memory each time: the pipeline beside us remembers nothing either
        engine._painter.forget()
        parts: list[bytes] = []
        engine.run(
            [Item(index=0, request=request)],
            {image: source},
            lambda e: parts.append(e.data) if e.kind == "artifact" else None,
            lambda: None,
        )
        (folder / "ours.png").write_bytes(parts[0])

    run()
    checkpoint = next(iter(engine._residency._held.values()))
    for module in (
        checkpoint.network.module,
        checkpoint.vae.encoder,
        checkpoint.vae.decoder,
        *checkpoint.text_encoders,
    ):
        module.forward = counted(module.forward, spent)
    return run, spent


def diffusers_run(folder: Path, source: bytes, options: argparse.Namespace) -> Callable[[], object]:
    """A function that makes one picture through the plain pipeline."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(
            ROOT / "models" / "starter",
            torch_dtype=torch.float32,
            safety_checker=None,
            requires_safety_checker=False,
            local_files_only=True,
        ).to(options.device)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    image = decode_image(source, "source")
    run_by_us = int(options.steps * STRENGTH) + 1  # the pipeline runs int(steps * strength)
    asked = next(n for n in range(1000) if int(n * STRENGTH) == run_by_us)

    def run() -> None:
        result = pipeline(
            "a house by a lake, day",
            image=image,
            strength=STRENGTH,
            num_inference_steps=asked,
            guidance_scale=7.0,
            generator=torch.Generator().manual_seed(1),
        )
        result.images[0].save(folder / "theirs.png")

    return run


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


@contextmanager
def quiet() -> Iterator[None]:
    """Warnings of third parties out of the table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


if __name__ == "__main__":
    with quiet():
        main()
