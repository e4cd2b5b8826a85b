"""What a single file predicts, gathered from all that tells it: the surest source wins.

The configuration beside the file comes first, then the file's own marks and metadata, then numbers
in it that differ between the two kinds of SD 2.x, at last its name.
"""

import logging
import re
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from webui.library.headers import Header, read_header
from webui.weights.families import NETWORK, says_v

log = logging.getLogger(__name__)

SAID = ("modelspec.prediction_type", "modelspec.predict_key")
SIDECAR = re.compile(r"""^\s*parameterization:\s*["']?(\w+)""", re.MULTILINE)
NAME = re.compile(r"(?<![a-z])v[-_ ]?pred", re.IGNORECASE)
LAST_NORM = f"{NETWORK}output_blocks.11.1.transformer_blocks.0.norm1.bias"
SPREAD = 0.09
"""The deviation of that bias above which a network of SD 2.x was trained on v: an observation."""


def told_header(path: Path) -> Header:
    """The header of the file at `path`, marked with what else tells its prediction.

    Raises UnsupportedModel, StorageError.
    """
    header = read_header(path)
    said = _sidecar(path)
    if said:
        return header.marked(dict.fromkeys(SAID, said))
    if says_v(header) or any(name in header.metadata for name in SAID):
        return header
    for tell in (_by_values, _by_name):
        reason = tell(path, header)
        if reason:
            log.info("%s is taken to predict v: %s", path.name, reason)
            return header.marked({SAID[0]: "v"})
    return header


def _sidecar(path: Path) -> str:
    """What the older UI's configuration beside the file calls the prediction; "" without one."""
    beside = path.with_suffix(".yaml")
    if not beside.is_file():
        return ""
    said = SIDECAR.search(beside.read_text(encoding="utf-8", errors="replace"))
    return said[1] if said else ""


def _by_values(path: Path, header: Header) -> str:
    if not _is_sd2(header) or header.shape(LAST_NORM) is None:
        return ""
    with safe_open(path, framework="pt", device="cpu") as file:
        bias: Tensor = file.get_tensor(LAST_NORM)
    spread = float(bias.float().std())
    return f"a bias spreads by {spread:.3f}" if spread > SPREAD else ""


def _by_name(path: Path, header: Header) -> str:
    """The weakest hint; SD 2.x has a better one."""
    return "its name says so" if NAME.search(path.stem) and not _is_sd2(header) else ""


def _is_sd2(header: Header) -> bool:
    first = header.shape(f"{NETWORK}input_blocks.0.0.weight") or (0, 0)
    return header.has("cond_stage_model.model.") and first[1] == 4
