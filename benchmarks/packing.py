"""How far packed images are from the same seeds alone, in latents, for each number format.

Usage: python -m benchmarks.packing [--images 4] [--size 128] [--steps 10] [--device cpu]
One forward pass over several images sums in another order than one over a single image. Prints the
largest difference and its root mean square, both over the standard deviation of the latents.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the worker has it

import torch
from torch import Tensor

from webui.contract.events import Event
from webui.contract.fields import nest
from webui.contract.items import Item
from webui.contract.request import GenerationRequest
from webui.contract.worker import Engine, EngineConfig
from webui.generation import latents
from webui.generation.entry import make_engine

ROOT = Path(__file__).resolve().parent.parent
SAMPLERS = ("euler", "euler_a", "dpmpp_2m_sde")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    formats = ("float32", "bfloat16", "float16")
    sys.stdout.write(
        f"{options.images} images of {options.size}x{options.size}, {options.steps} steps, "
        f"{options.device}, torch {torch.__version__}\n"
        f"{'format':<10}{'sampler':<16}{'largest / std':>15}{'rms / std':>13}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        for dtype in formats:
            engine = open_engine(Path(folder), options.device, dtype)
            for sampler in SAMPLERS:
                largest, rms = compare(engine, sampler, options)
                sys.stdout.write(f"{dtype:<10}{sampler:<16}{largest:>15.2e}{rms:>13.2e}\n")


def open_engine(folder: Path, device: str, dtype: str) -> Engine:
    """An engine over the shipped models."""
    config = EngineConfig(
        models_dir=ROOT / "models", data_dir=folder, device=device, dtype=dtype, preview_seconds=0
    )
    return make_engine(config)


def compare(engine: Engine, sampler: str, options: argparse.Namespace) -> tuple[float, float]:
    """The largest and the mean square difference, over the deviation of the single images."""
    values = {
        "prompt.positive": "a red house by a lake",
        "prompt.negative": "blurry",
        "sampling.sampler": sampler,
        "sampling.steps": options.steps,
        "canvas.width": options.size,
        "canvas.height": options.size,
    }
    requests = [
        nest(GenerationRequest(), {**values, "noise.seed": seed}) for seed in range(options.images)
    ]
    together = sample(engine, *requests)
    alone = torch.cat([sample(engine, request) for request in requests])
    difference = (together - alone).abs()
    rms = (difference**2).mean().sqrt()
    return (difference.max() / alone.std()).item(), (rms / alone.std()).item()


def sample(engine: Engine, *requests: GenerationRequest) -> Tensor:
    """The clean latents of one run, (B, C, h, w) on the CPU."""
    taken: list[Tensor] = []
    decode = latents.decode

    def remember(*args: object) -> Tensor:
        taken.append(args[1].float().cpu())  # type: ignore[attr-defined]
        return decode(*args)  # type: ignore[arg-type]

    def ignore(_event: Event) -> None:
        """Nobody listens."""

    latents.decode = remember  # type: ignore[assignment]
    try:
        items = [Item(index=index, request=request) for index, request in enumerate(requests)]
        engine.run(items, {}, ignore, lambda: None)
    finally:
        latents.decode = decode
    return torch.cat(taken)


if __name__ == "__main__":
    main()
