"""Folders in diffusers layout: where their parts lie, and what their cards say."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from torch import Tensor

from webui.errors import UnsupportedModel
from webui.library.headers import read_header
from webui.weights.families import Defaults

log = logging.getLogger(__name__)

CARD = "palimpsest.json"
"""An optional file in a model's folder: members of `Defaults`, and `base`.

`base` names a folder beside it, from which the model takes every part that it lacks itself.
"""

BASE = "base"
WEIGHTS = ("diffusion_pytorch_model", "model")


def base_of(folder: Path) -> Path | None:
    """The folder whose parts the model in `folder` shares; None where it has its own."""
    card = folder / CARD
    if not card.is_file():
        return None
    try:
        said = read_json(card).get(BASE)
    except UnsupportedModel:  # said elsewhere, when the card's defaults are read
        return None
    # A name with a path in it could lead out of the models folder.
    if not isinstance(said, str) or not said or Path(said).name != said:
        return None
    return folder.parent / said


def place_of(folder: Path, part: str) -> Path:
    """The folder of one part: the model's own, or its base's where it has none.

    Raises UnsupportedModel where a base is named that is not there.
    """
    own, base = folder / part, base_of(folder)
    if own.is_dir() or base is None:
        return own
    if not base.is_dir():
        raise UnsupportedModel(
            f"{folder.name} shares the {part.replace('_', ' ')} of {base.name}, "
            f"which is not beside it.",
            str(base),
        )
    return base / part


def weight_files(folder: Path, dtype: torch.dtype) -> list[Path]:
    """The files with a part's weights: the smaller half-precision ones where that is wanted."""
    variants = (".fp16", "") if dtype == torch.float16 else ("", ".fp16")
    for variant in variants:
        for name in WEIGHTS:
            whole = folder / f"{name}{variant}.safetensors"
            if whole.is_file():
                return [whole]
            index = folder / f"{name}.safetensors.index{variant}.json"
            if index.is_file():
                names = set(cast("dict[str, str]", read_json(index)["weight_map"]).values())
                # A name with a path in it could lead out of the folder.
                return [folder / Path(name).name for name in sorted(names)]
    others = sorted(p.name for p in folder.glob("*")) if folder.is_dir() else []
    raise UnsupportedModel(
        f"The model's folder {folder.name} holds no safetensors weights; pickled ones (.bin) are "
        "not loaded, because they can run programs when they are opened.",
        f"{folder} holds {others}",
    )


def read_states(files: Iterable[Path]) -> dict[str, Tensor]:
    """Every tensor of safetensors files, as stored. Raises UnsupportedModel, StorageError."""
    state: dict[str, Tensor] = {}
    for path in files:
        read_header(path)  # says it plainly where a file is cut short or no safetensors
        with safe_open(path, framework="pt", device="cpu") as file:
            state |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return state


def apply_card(path: Path, defaults: Defaults) -> Defaults:
    """`defaults` with what the model's card says; what it says wrongly is logged and left aside."""
    if not path.is_file():
        return defaults
    try:
        said = read_json(path)
    except UnsupportedModel as error:
        log.warning("%s is left aside: %s", path, error.sentence)
        return defaults
    return apply_said(said, defaults, str(path))


def apply_said(said: Mapping[str, Any], defaults: Defaults, where: str) -> Defaults:
    """`defaults` with the members of `said` that are like them."""
    usual = asdict(defaults)
    known = {name: value for name, value in said.items() if name in usual}
    wrong = [name for name, value in known.items() if not _is_like(value, usual[name])]
    if wrong:
        log.warning("%s: %s must be like %s", where, ", ".join(wrong), usual)
    return replace(defaults, **{n: v for n, v in known.items() if n not in wrong})


def _is_like(value: object, usual: object) -> bool:
    """Whether a card's value can stand where `usual` does: a text, or a positive number."""
    if isinstance(usual, str):
        return isinstance(value, str)
    kinds = (int, float) if isinstance(usual, float) else (int,)
    return isinstance(value, kinds) and not isinstance(value, bool) and value > 0


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of the model's folder. Raises UnsupportedModel."""
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UnsupportedModel(
            f"The model's folder lacks {path.parent.name}/{path.name}.", str(path)
        ) from error
    except ValueError as error:
        raise UnsupportedModel(
            f"{path.parent.name}/{path.name} is not valid JSON.", f"{path}: {error}"
        ) from error
    if not isinstance(loaded, dict):
        raise UnsupportedModel(f"{path.parent.name}/{path.name} is not a JSON object.", str(path))
    return cast("dict[str, Any]", loaded)
