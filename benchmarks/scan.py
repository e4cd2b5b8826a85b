"""How long it takes to know what thousands of model files are, cold and warm.

Usage: python -m benchmarks.scan [--files 10000] [--rounds 3] [--folder FOLDER]
Makes a collection as people have them, with headers of real size and data that takes no room on
disk: LoRAs of SD 1.x (792 tensors) and of SDXL (2,166), checkpoints (2,515), embeddings, some
damaged files. Cold is a first scan without a cache in a fresh process, warm the next one in
another. Prints medians, and the slowest kind of header alone.
"""

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from webui.library.headers import read_header
from webui.library.identify import identify

ROOT = Path(__file__).resolve().parent.parent
ALONE = 25
Shapes = Iterator[tuple[str, tuple[int, ...]]]
SCAN = """
import sys, time
from pathlib import Path
from webui.library.scan import Scanner
began, busy = time.perf_counter(), time.process_time()
found = Scanner(Path(sys.argv[2])).scan([Path(sys.argv[1])])
seconds = time.perf_counter() - began
refused = sum(bool(f.finding.problem) for f in found)
print(seconds, time.process_time() - busy, len(found), refused)
"""


def main() -> None:
    """Make the files, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where to make them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        models = Path(made) / "models"
        make_collection(models, options.files)
        cold: list[tuple[float, ...]] = []
        warm: list[tuple[float, ...]] = []
        for index in range(options.rounds):
            cache = Path(made) / f"cache-{index}.json"
            cold.append(time_scan(models, cache))
            warm.append(time_scan(models, cache))
        count, refused = cold[0][2:]
        sys.stdout.write(f"{count:.0f} files, {refused:.0f} of them damaged\n")
        for name, runs in (("cold (asked: under 10 s)", cold), ("warm (asked: under 1 s)", warm)):
            seconds, busy = (statistics.median(run[column] for run in runs) for column in (0, 1))
            sys.stdout.write(f"{name:<28}{seconds:8.2f} s  ({busy:.2f} s of one processor)\n")
        for name in KINDS:
            milliseconds = time_alone(models / name / "00000.safetensors") * 1e3
            sys.stdout.write(f"{name + ' alone (under 5 ms)':<28}{milliseconds:8.2f} ms\n")


def make_collection(folder: Path, count: int) -> None:
    """`count` model files below `folder`, by the shares of `KINDS`, and a hundredth damaged."""
    for kind, (share, tensors) in KINDS.items():
        (folder / kind).mkdir(parents=True)
        text, size = make_header(tensors())
        for index in range(max(1, round(count * share))):
            path = folder / kind / f"{index:05}.safetensors"
            with path.open("wb") as stream:
                stream.write(struct.pack("<Q", len(text)) + text)
                stream.truncate(8 + len(text) + size)
    (folder / "damaged").mkdir()
    for index in range(max(1, count // 100)):
        path = folder / "damaged" / f"{index:05}.safetensors"
        path.write_bytes(struct.pack("<Q", 2**63) + b"{}")


def make_header(tensors: Shapes) -> tuple[bytes, int]:
    """A header as trainers write it, with their remarks, and the size of its data."""
    entries: dict[str, object] = {"__metadata__": {"ss_tag_frequency": '{"a": {"tag": 1}}' * 400}}
    end = 0
    for name, shape in tensors:
        size = 2
        for axis in shape:
            size *= axis
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    return json.dumps(entries, separators=(",", ":")).encode(), end


def lora(modules: int, width: int) -> Callable[[], Shapes]:
    """A LoRA of three tensors for each of `modules` layers."""

    def tensors() -> Shapes:
        for index in range(modules):
            name = f"lora_unet_input_blocks_{index}_1_transformer_blocks_0_attn2_to_k"
            yield f"{name}.alpha", ()
            yield f"{name}.lora_down.weight", (4, width)
            yield f"{name}.lora_up.weight", (320, 4)

    return tensors


def checkpoint() -> Shapes:
    """As many tensors as an SDXL checkpoint has; small ones, so that any file system takes them."""
    block = "model.diffusion_model.input_blocks"
    yield f"{block}.0.0.weight", (320, 4, 3, 3)
    yield "model.diffusion_model.label_emb.0.0.weight", (1280, 2816)
    for index in range(2512):
        yield f"{block}.4.1.transformer_blocks.{index}.attn2.to_k.weight", (640, 2048)
    yield "first_stage_model.decoder.conv_in.weight", (512, 4, 3, 3)


def embedding() -> Shapes:
    """Eight vectors."""
    yield "emb_params", (8, 768)


KINDS: dict[str, tuple[float, Callable[[], Shapes]]] = {
    "LoRA SD 1.x": (0.55, lora(264, 768)),
    "LoRA SDXL": (0.2, lora(722, 2048)),
    "checkpoint": (0.04, checkpoint),
    "embedding": (0.2, embedding),
}


def time_scan(models: Path, cache: Path) -> tuple[float, ...]:
    """One scan in a process of its own: seconds, processor seconds, files found, files refused."""
    command = [sys.executable, "-c", SCAN, str(models), str(cache)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return tuple(map(float, told.stdout.split()))


def time_alone(path: Path) -> float:
    """Seconds to read and identify one file, the median of several."""
    runs: list[float] = []
    for _ in range(ALONE):
        began = time.perf_counter()
        identify(read_header(path))
        runs.append(time.perf_counter() - began)
    return statistics.median(runs)


if __name__ == "__main__":
    main()
