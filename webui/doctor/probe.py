"""Imports one package in a process of its own and prints, as JSON, what it found.

`python -m webui.doctor.probe torch` is started by `webui.doctor.parts`, so that neither a slow
nor a crashing package can hurt the one who asks.
"""

import importlib
import importlib.metadata
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any


def describe_torch() -> dict[str, Any]:
    """Version, threads and devices of torch."""
    import torch  # noqa: PLC0415

    devices = ["cpu"]
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        memory = properties.total_memory / 2**30
        devices.append(f"cuda:{number} {properties.name}, {memory:.1f} GiB")
    if torch.backends.mps.is_available():
        devices.append("mps")
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        devices += [f"xpu:{number}" for number in range(torch.xpu.device_count())]
    return {"build": torch.__version__, "threads": torch.get_num_threads(), "devices": devices}


def describe_torchvision() -> dict[str, Any]:
    """Whether torchvision's compiled operators fit this torch."""
    import torch  # noqa: PLC0415

    importlib.import_module("torchvision")
    torch.ops.torchvision.nms  # noqa: B018  # raises where the operators are missing
    return {}


def describe_attention(wanted: str, device: str) -> dict[str, Any]:
    """Which attention the engine would take, and why where it is not the wanted one."""
    from webui.weights.attention import choose_attention  # noqa: PLC0415
    from webui.weights.memory import resolve_device  # noqa: PLC0415

    chosen = choose_attention(wanted, resolve_device(device))
    return {"name": chosen.name, "why": chosen.why}


SPECIAL: dict[str, Callable[..., dict[str, Any]]] = {
    "torch": describe_torch,
    "torchvision": describe_torchvision,
    "attention": describe_attention,
}


def probe(module: str, *about: str) -> dict[str, Any]:
    """Import `module`, or look into what has that name here; `error` is there where that fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if module in SPECIAL:
                return SPECIAL[module](*about)
            _mend()
            importlib.import_module(module)
    except Exception as error:
        reason = str(error).strip().splitlines() or [""]
        return {"error": f"{type(error).__name__}: {reason[0]}"[:300]}
    return {}


def _mend() -> None:
    # As the worker does: what only works with it is not to be called broken.
    from webui.weights.torchvision_guard import mend_torchvision  # noqa: PLC0415

    mend_torchvision()


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(probe(*sys.argv[1:])) + "\n")
