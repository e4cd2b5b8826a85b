"""What loading a checkpoint costs: seconds beside reading its file once, and memory.

Usage: python -m benchmarks.loading FILE [--other FILE] [--rounds 3]
Each load runs in a fresh process, and where the system can be asked to forget a file, with nothing
of it in the page cache. "file" keeps weights as they are stored, mapped from the file; "compute"
widens them to single precision. A mapped weight is read when it is first used: "used" has looked
at every page of them. With a second file, one process switches between both and tells what stays
when both are let go.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MB = 1_000_000
CHUNK = 8 << 20

LOAD = """
import json, sys, time
import psutil
from webui.weights.torchvision_guard import mend_torchvision
mend_torchvision()
from dataclasses import dataclass
from pathlib import Path
from webui.weights.residency import Residency, Wishes
from benchmarks.loading import peak_memory, touch

@dataclass
class File:
    path: Path
    title: str = "model"
    sha256: str | None = None

files, storage = [File(Path(p)) for p in sys.argv[2:]], sys.argv[1]
process = psutil.Process()
before = process.memory_info().rss
residency = Residency("cpu", Wishes(storage=storage))
began = time.perf_counter()
residency.checkpoint(files[0])
told = {"seconds": time.perf_counter() - began}
told["loaded"] = peak_memory() - before
touch(residency.checkpoint(files[0]).modules.values())
told["used"] = time.perf_counter() - began
told["peak"] = peak_memory() - before
for index in range(1, 6 if len(files) > 1 else 1):
    residency.checkpoint(files[index % len(files)])
    told["switched"] = process.memory_info().rss - before
residency.clear()
told["after"] = process.memory_info().rss - before
print(json.dumps(told))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--other", type=Path, default=None)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    size = options.file.stat().st_size
    reading = statistics.median(read_whole(options.file) for _ in range(options.rounds))
    print(f"{options.file.name}: {size / MB:.0f} MB, read once in {reading:.2f} s")
    print("storage    load s    used s  of reading  loaded MB   peak MB   of file   cleared MB")
    for storage in ("file", "compute"):
        runs = [load(storage, options.file) for _ in range(options.rounds)]
        seconds, used = (statistics.median(run[key] for run in runs) for key in ("seconds", "used"))
        loaded, peak, after = (
            max(run[key] for run in runs) / MB for key in ("loaded", "peak", "after")
        )
        print(
            f"{storage:<8} {seconds:8.2f} {used:9.2f} {used / reading:9.2f} x {loaded:10.0f}"
            f" {peak:9.0f} {peak - size / MB:+9.0f} {after:12.0f}"
        )
    if options.other is not None:
        told = load("file", options.file, options.other)
        both = (told["switched"] / MB, told["after"] / MB)
        print("five switches: {:.0f} MB with the last one loaded, {:.0f} MB cleared".format(*both))


def read_whole(path: Path) -> float:
    """Seconds to read a file from its beginning to its end."""
    forget(path)
    buffer = bytearray(CHUNK)
    began = time.perf_counter()
    with path.open("rb", buffering=0) as stream:
        while stream.readinto(buffer):
            pass
    return time.perf_counter() - began


def load(storage: str, *files: Path) -> dict[str, Any]:
    """What a process of its own tells of loading `files`."""
    for file in files:
        forget(file)
    command = [sys.executable, "-c", LOAD, storage, *map(str, files)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(told.stdout.strip().splitlines()[-1])


def forget(path: Path) -> None:
    """Ask the system to drop what it keeps of a file in memory; not every system can."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def touch(modules: Iterable[Any]) -> int:
    """Look at a byte of every page of the weights."""
    import torch  # noqa: PLC0415 - only the measured processes need it

    pages = (p.data.view(torch.uint8).flatten()[::4096] for m in modules for p in m.parameters())
    return sum(int(page.sum()) for page in pages)


def peak_memory() -> int:
    """The most bytes that this process ever had in memory, mapped files included."""
    import psutil  # noqa: PLC0415 - only the measured processes need it

    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):
        return info.peak_wset
    import resource  # noqa: PLC0415 - not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
