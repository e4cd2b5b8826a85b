"""From a folder in diffusers layout to one file with the original names."""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from webui.errors import InvalidRequest, StorageError, UnsupportedModel
from webui.library.embedded import MARK
from webui.library.vocabularies import CLIP_SIZE, read_vocabulary
from webui.weights.families import Part, TextEncoder, identify_folder
from webui.weights.folders import CARD, place_of, read_json, read_states, weight_files
from webui.weights.naming import original_unet, original_vae
from webui.weights.predictions import prediction_kind

log = logging.getLogger(__name__)

State = dict[str, Tensor]
CONTROL = "control_model."
INNER = "text_model."
ENDING = ".safetensors"


def export_checkpoint(folder: Path, out: Path) -> int:
    """Write the checkpoint in `folder` to the file `out`; returns its size in bytes.

    The tensors are those of the folder, number for number. What their names and shapes do not say
    (block counts, groups, heads, words, schedule) goes into the header, where `identify` and the
    loader find it. Raises InvalidRequest, UnsupportedModel, StorageError.
    """
    if not (folder / "model_index.json").is_file():
        raise InvalidRequest("name", f"{folder.name} is no folder in diffusers layout.")
    index = read_json(folder / "model_index.json")
    scheduler = read_json(place_of(folder, "scheduler") / "scheduler_config.json")
    kind = prediction_kind(scheduler)
    unet = read_json(place_of(folder, "unet") / "config.json")
    family = identify_folder(index, unet, kind, folder.name)
    told: dict[str, Any] = {"scheduler": scheduler}
    state: State = {}
    for part in (family.network, family.vae, *family.encoders):
        place = place_of(folder, part.folder)
        told[part.folder] = read_json(place / "config.json")
        stored = read_states(weight_files(place, torch.float16))
        renamed = _original(part, told[part.folder], stored)
        state |= {part.prefix + name: tensor for name, tensor in renamed.items()}
        if isinstance(part, TextEncoder):
            told |= _words(place_of(folder, part.tokenizer), part.tokenizer)
    if (folder / CARD).is_file():
        told[CARD] = read_json(folder / CARD)
    metadata = {MARK: json.dumps(told, ensure_ascii=False), "modelspec.title": folder.name}
    if kind == "v_prediction":
        metadata["modelspec.prediction_type"] = "v"
        state["v_pred"] = torch.zeros(0)  # how other tools mark it
    return _write(out, state, metadata)


def export_controlnet(folder: Path, out: Path) -> int:
    """Write the ControlNet in `folder` to the file `out`; returns its size in bytes.

    Raises UnsupportedModel, StorageError.
    """
    config = read_json(folder / "config.json")
    if config.get("_class_name") != "ControlNetModel":
        raise UnsupportedModel(f"{folder.name} holds no ControlNet.")
    state = read_states(weight_files(folder, torch.float16))
    renamed = original_unet(state, config["layers_per_block"])
    metadata = {MARK: json.dumps({"controlnet": config}), "modelspec.title": folder.name}
    return _write(out, {CONTROL + name: t for name, t in renamed.items()}, metadata)


def _original(part: Part, config: dict[str, Any], state: State) -> State:
    """The tensors of one part under their original names."""
    try:
        if part.kind == "UNet2DConditionModel":
            return original_unet(state, config["layers_per_block"])
        if part.kind == "AutoencoderKL":
            return original_vae(state, len(config["block_out_channels"]))
    except (KeyError, TypeError) as error:
        raise UnsupportedModel(
            f"The {part.folder} is built in a way that the original layout has no names for.",
            f"{type(error).__name__}: {error}",
        ) from error
    return {n if n.startswith(INNER) else INNER + n: tensor for n, tensor in state.items()}


def _words(folder: Path, name: str) -> dict[str, Any]:
    """The tokenizer for the header; nothing where it is CLIP's own, which everybody has."""
    words = read_vocabulary(folder)
    if len(words) == CLIP_SIZE:
        return {}
    path = folder / "tokenizer_config.json"
    return {
        name: {
            "vocab": dict(words.tokens),
            "merges": [" ".join(pair) for pair in words.merges],
            "config": read_json(path) if path.is_file() else {},
        }
    }


def _write(out: Path, state: State, metadata: dict[str, str]) -> int:
    if out.suffix != ENDING:
        raise InvalidRequest("out", f"The file's name must end in {ENDING}.")
    draft = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        save_file({n: t.contiguous() for n, t in state.items()}, draft, metadata)
        draft.replace(out)
    except OSError as error:
        raise StorageError(f"{out} could not be written.", str(error)) from error
    log.info("wrote %s", out)
    return out.stat().st_size
