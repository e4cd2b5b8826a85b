"""What full-size models cost on this machine: loading, a step of sampling, and memory.

Usage: python -m benchmarks.families [sd1 sd2 sdxl sdxl_refiner] [--size 256] [--folder DIR]
Each family's file is written with random numbers in half precision under the published names and
shapes, painted with in a fresh process through the whole engine, and deleted. "first" is the time
to the first picture of one step, loading included; "step" what each further step takes, prompt and
negative prompt together.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests import tiny, unets

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = {
    "sd1": unets.SD1, "sd2": unets.SD2, "sdxl": unets.SDXL, "sdxl_refiner": unets.REFINER,
}  # fmt: skip
GB = 1_000_000_000
MB = 1_000_000

PAINT = """
import json, sys, time
import psutil
from pathlib import Path
from benchmarks.loading import peak_memory
from webui.contract.events import Artifact
from webui.contract.fields import nest
from webui.contract.items import Item
from webui.contract.request import GenerationRequest
from webui.contract.worker import EngineConfig
from webui.generation.entry import make_engine

folder, size = Path(sys.argv[1]), int(sys.argv[2])
engine = make_engine(EngineConfig(models_dir=folder, data_dir=folder / "data", device="cpu"))
before = psutil.Process().memory_info().rss

def paint(steps):
    values = {"canvas.width": size, "canvas.height": size, "sampling.steps": steps,
              "sampling.sampler": "euler", "prompt.positive": "a house", "noise.seed": 1}
    events, began = [], time.perf_counter()
    item = Item(index=0, request=nest(GenerationRequest(), values))
    engine.run([item], {}, events.append, lambda: None)
    assert any(isinstance(event, Artifact) for event in events), events[-1]
    return time.perf_counter() - began

told = {"first": paint(1), "one": paint(1), "three": paint(3)}
print(json.dumps(told | {"peak": peak_memory() - before}))
"""


def write_full(path: Path, model: unets.Model) -> int:
    """Write random half-precision numbers under a model's names; returns the bytes of the file."""
    shapes = unets.shapes_of(model)
    generator = np.random.default_rng(0)
    drawn = generator.standard_normal(1 << 20, dtype=np.float32)
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * int(np.prod(shape, dtype=np.int64))
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            count = int(np.prod(shape, dtype=np.int64))
            norm = len(shape) < 2 and name.endswith(tiny.NORMS)
            width = int(np.prod(shape[1:], dtype=np.int64)) if len(shape) > 1 else 2500
            part = (drawn * (0.5 / width**0.5) + norm).astype(np.float16)
            for begin in range(0, count, len(part)):
                file.write(part[: count - begin].tobytes())
    return path.stat().st_size


def measure(name: str, folder: Path, size: int) -> str:
    """One row of the table."""
    path = folder / f"{name}.safetensors"
    total = write_full(path, FAMILIES[name])
    try:
        command = [sys.executable, "-c", PAINT, str(folder), str(size)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    finally:
        path.unlink()
    told = json.loads(done.stdout.splitlines()[-1])
    step = (told["three"] - told["one"]) / 2
    return (
        f"| {name} | {total / GB:.2f} GB | {told['first']:.1f} s | {told['one']:.1f} s "
        f"| {step:.1f} s | {told['peak'] / MB:,.0f} MB |"
    )


def main() -> None:
    """Print the table for the families that were named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--folder", type=Path, default=None)
    parsed = parser.parse_args()
    print(f"| family, {parsed.size} × {parsed.size} | file | first | again | step | peak |")
    print("|---|---|---|---|---|---|")
    for name in parsed.families:
        with TemporaryDirectory(dir=parsed.folder, prefix="families-") as folder:
            print(measure(name, Path(folder), parsed.size), flush=True)


if __name__ == "__main__":
    main()
