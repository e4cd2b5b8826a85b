"""How wide the word vectors of a checkpoint's CLIP text encoders are, by headers alone."""

import json
from collections.abc import Mapping
from typing import Any, cast

from webui.errors import WebuiError
from webui.library.catalog import ModelFile
from webui.library.embedded import embedded_parts
from webui.library.headers import read_header

FOLDERS = ("text_encoder", "text_encoder_2")
CLIP = "CLIP"

L, H, G = 768, 1024, 1280
BY_FAMILY: Mapping[str, Mapping[str, int]] = {
    "sd1": {FOLDERS[0]: L},
    "sd2": {FOLDERS[0]: H},
    "sdxl": {FOLDERS[0]: L, FOLDERS[1]: G},
    "sdxl_refiner": {FOLDERS[1]: G},
    "sd3_medium": {FOLDERS[0]: L, FOLDERS[1]: G},
    "sd35_medium": {FOLDERS[0]: L, FOLDERS[1]: G},
    "sd35_large": {FOLDERS[0]: L, FOLDERS[1]: G},
    "flux": {FOLDERS[0]: L},
}
"""What single files have that say no more than their family."""


def clip_widths(file: ModelFile) -> Mapping[str, int]:
    """The width by the encoder's folder; nothing where that cannot be told."""
    try:
        if file.layout == "diffusers":
            told = {folder: _config(file, folder) for folder in FOLDERS}
        else:
            told = embedded_parts(read_header(file.path))
    except (WebuiError, OSError, ValueError):
        return {}
    if told is None:
        family = file.identity.family if file.identity else ""
        return BY_FAMILY.get(family, {})
    return {f: told[f]["hidden_size"] for f in FOLDERS if _is_clip(told.get(f, {}))}


def _config(file: ModelFile, folder: str) -> dict[str, Any]:
    path = file.path / folder / "config.json"
    loaded: Any = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}


def _is_clip(config: Mapping[str, Any]) -> bool:
    architectures: Any = config.get("architectures")
    named = isinstance(architectures, list) and str(cast("list[Any]", architectures)[:1])
    return isinstance(config.get("hidden_size"), int) and (not named or CLIP in named)
