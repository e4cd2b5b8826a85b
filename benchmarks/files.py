"""How long it takes to convert and to merge checkpoints, and how much memory that needs.

Usage: python -m benchmarks.files [--gb 2] [--folder FOLDER]
Makes two checkpoints of random half-precision numbers, one of them pickled. The reading of both
files once, in pieces, is the measure that the times are held against; peaks are those of the
processes that do the work (on Linux).
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from webui.contract.merging import MergeRequest
from webui.library.catalog import Catalog
from webui.library.conversion.process import convert_model
from webui.library.hashes import HashCache
from webui.library.merging import merge_models

NAME = "model.diffusion_model.input_blocks.{}.weight"
ROOT = Path(__file__).resolve().parent.parent
TENSOR = 1 << 21
GB, MB = 1_000_000_000, 1_000_000


def main() -> None:
    """Make the files, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, default=None, help="where to make them")
    parser.add_argument("--make", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make is not None:
        make(options.make, options.gb)
        return
    if options.measure is not None:
        measure(options.measure)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        again = [sys.executable, "-m", "benchmarks.files", "--gb", str(options.gb)]
        # Each in a process of its own: a child's peak begins with its parent's.
        subprocess.run([*again, "--make", made], check=True, cwd=ROOT)
        subprocess.run([*again, "--measure", made], check=True, cwd=ROOT)


def make(folder: Path, gb: float) -> None:
    """Write both checkpoints."""
    place = folder / "models" / "Stable-diffusion"
    place.mkdir(parents=True)
    save_file(numbers(gb, 1), place / "one.safetensors")
    torch.save({"state_dict": numbers(gb, 2)}, place / "two.ckpt")


def measure(folder: Path) -> None:
    """Convert and merge what lies in `folder`."""
    models = folder / "models"
    place = models / "Stable-diffusion"
    hashes = HashCache(folder / "hashes.json")
    catalog = Catalog([models], hashes)
    tell("read once", lambda: read(place / "one.safetensors"))
    tell("convert", lambda: convert_model(place / "two.ckpt", models))
    tell("hash both", lambda: [hashes.sha256(p) for p in place.glob("*.safetensors")])
    asked = MergeRequest(primary="one", secondary="two", name="merged")
    tell("merge", lambda: merge_models(asked, catalog, models))


def numbers(gb: float, seed: int) -> dict[str, torch.Tensor]:
    """Random tensors of two million elements each."""
    made = torch.Generator().manual_seed(seed)
    count = max(1, int(gb * GB / (2 * TENSOR)))
    return {NAME.format(n): torch.randn(TENSOR, generator=made).half() for n in range(count)}


def read(path: Path) -> None:
    """Read a file once, in pieces."""
    with path.open("rb") as stream:
        while stream.read(1 << 23):
            pass


def tell(what: str, work: Callable[[], object]) -> None:
    """Measure and print."""
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MB
    peaks = f"  processes so far at most {peak:5.0f} MB" if peak else ""
    sys.stdout.write(f"{what:<12}{seconds:7.2f} s{peaks}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
