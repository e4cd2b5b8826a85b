"""Devices and their memory: which to use, in which number format, and when it is full."""

import contextlib
import ctypes
import gc
import os
import sys
from pathlib import Path

import psutil
import torch

from webui.errors import InvalidRequest

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
FULL = ("out of memory", "not enough memory", "failed to allocate", "can't allocate memory")


def resolve_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" takes CUDA, then Apple's GPU, then Intel's, then the CPU.

    Raises InvalidRequest, naming the setting, where there is no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("xpu" if torch.xpu.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidRequest(
            "engine.device", f"There is no device {name!r} that torch can use here.", str(error)
        ) from error
    return device


def resolve_dtype(name: str, device: torch.device, wide: bool = False) -> torch.dtype:
    """The number format called `name`; "auto" suits the device.

    CUDA runs float16: half the memory, twice the speed, and what the community's pictures are made
    with; models that predict a flow need the range of float32 and get bfloat16 (`wide`). CPUs run
    float32: float16 has no fast kernels there, and bfloat16 has so few digits that pictures would
    differ from those of a GPU. Apple's GPUs run float32, because float16 gives black pictures with
    some models.
    """
    if name == "auto":
        half = torch.bfloat16 if wide else torch.float16
        return half if device.type in ("cuda", "xpu") else torch.float32
    if name not in DTYPES:
        known = ", ".join(["auto", *DTYPES])
        raise InvalidRequest("engine.dtype", f"The number format {name!r} is none of {known}.")
    return DTYPES[name]


def is_memory_error(error: BaseException) -> bool:
    """Whether an error of torch means that a device is full."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(f in str(error).casefold() for f in FULL)


def release_memory(device: torch.device) -> None:
    """Give back to the system what nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif device.type == "xpu":
        torch.xpu.empty_cache()
    if sys.platform == "linux":
        # glibc keeps freed blocks below its threshold; other libraries have no such function.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def read_ahead(path: Path) -> None:
    """Ask the system to bring a file into memory while we go on; not every system can."""
    if hasattr(os, "posix_fadvise"):
        # A file that cannot be read is told of by the one who reads it.
        with contextlib.suppress(OSError), path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken on the device."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return psutil.virtual_memory().available


def total_memory(device: torch.device) -> int:
    """Bytes that the device has."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    return psutil.virtual_memory().total


def offloads(device: torch.device) -> bool:
    """Whether the device has a memory of its own, which weights can leave for the machine's."""
    return device.type in ("cuda", "xpu")
