"""A torchvision built for another torch must not break what does not need its operators.

transformers, diffusers, timm and controlnet_aux import torchvision where it is installed. If its
binary part does not fit the torch beside it, its operators do not exist, and the import fails at
the first line that describes one. Those lines only need the operators' signatures.
"""

import importlib
import importlib.util
import logging
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger(__name__)

NAMESPACE = "torchvision"
OPERATORS = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
BINARIES = ("_C*.so", "_C*.pyd", "_C*.dylib", "_C*.dll")


@cache
def mend_torchvision() -> bool:
    """Define the operators that a mismatched torchvision lacks; True if that was needed.

    To be called before the first import of transformers, diffusers or torchvision. Where
    torchvision fits or is absent nothing happens, later calls neither. One warning is logged.
    """
    folder = _installed()
    if folder is None or _fits(folder):
        return False
    _define_operators()
    try:
        extension: Any = importlib.import_module("torchvision.extension")
        importlib.import_module(NAMESPACE)
    except Exception as error:  # whatever it raises, we can only report it
        log.warning("torchvision is installed, but cannot be imported: %s", error)
        return True
    # Only now: while it imports, True would make it describe operators that are not there.
    extension._has_ops = lambda: True
    log.warning(
        "torchvision was built for another torch than %s; its operators are replaced where "
        "possible. Reinstall it, or remove it: nothing here needs it.",
        torch.__version__,
    )
    return True


def _installed() -> Path | None:
    spec = importlib.util.find_spec(NAMESPACE)
    return Path(spec.origin).parent if spec and spec.origin else None


def _fits(folder: Path) -> bool:
    """Whether the binary part loads and brings its operators."""
    for pattern in BINARIES:
        for binary in sorted(folder.glob(pattern)):
            try:
                torch.ops.load_library(str(binary))
            except (OSError, RuntimeError) as error:
                log.debug("%s does not load: %s", binary, error)
    return all(hasattr(torch.ops.torchvision, name) for name in OPERATORS[:1])


@cache
def _define_operators() -> torch.library.Library:
    """The operators' signatures, and non-maximum suppression in plain torch.

    Remembered for ever: the definitions live as long as the library object.
    """
    library = torch.library.Library(NAMESPACE, "FRAGMENT")
    for name in OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + SIGNATURE)
    library.impl("nms", suppress, "CompositeExplicitAutograd")
    return library


def suppress(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression: indices of the boxes kept, by falling score.

    `boxes` is (N, 4) as x1, y1, x2, y2; a box goes if it shares more than `iou_threshold` of the
    union with a better one.
    """
    x1, y1, x2, y2 = boxes.unbind(1)
    areas = (x2 - x1) * (y2 - y1)
    order = scores.argsort(descending=True)
    kept: list[Tensor] = []
    while order.numel():
        best, order = order[0], order[1:]
        kept.append(best)
        width = (torch.minimum(x2[best], x2[order]) - torch.maximum(x1[best], x1[order])).clamp(0)
        height = (torch.minimum(y2[best], y2[order]) - torch.maximum(y1[best], y1[order])).clamp(0)
        shared = width * height
        order = order[shared <= iou_threshold * (areas[best] + areas[order] - shared)]
    return torch.stack(kept) if kept else order
