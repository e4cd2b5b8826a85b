"""Writing what was trained as users' tools read it: half precision, no traces of the machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTokenizer

from webui.starter.lesson import Pair
from webui.starter.networks import build_scheduler
from webui.weights.folders import BASE, CARD

TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json")
INDEX = "model_index.json"


def export_checkpoint(
    out: Path, pair: Pair, vae: AutoencoderKL, tokenizer: CLIPTokenizer, words: Path
) -> None:
    """Write the checkpoint to ``out``; ``words`` is the folder of the tokenizer's files.

    Written beside ``out`` first and then moved there part by part, so that a reader never meets
    half of one; what else lies in ``out`` stays.
    """
    pipeline = StableDiffusionPipeline(
        vae=deepcopy(vae).cpu().half(),
        text_encoder=deepcopy(pair.text).cpu().half(),
        tokenizer=tokenizer,
        unet=deepcopy(pair.unet).cpu().half(),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    draft = open_draft(out)
    pipeline.save_pretrained(draft, safe_serialization=True)
    shutil.rmtree(draft / "tokenizer")
    (draft / "tokenizer").mkdir()
    for name in TOKENIZER_FILES:
        shutil.copyfile(words / name, draft / "tokenizer" / name)
    close_draft(draft, out)


def export_controlnet(out: Path, network: ControlNetModel) -> None:
    """Write a ControlNet in diffusers layout to the folder ``out``."""
    draft = open_draft(out)
    deepcopy(network).cpu().half().save_pretrained(draft)
    close_draft(draft, out)


def export_unet(out: Path, unet: UNet2DConditionModel, base: Path) -> None:
    """Write a checkpoint that shares all but its UNet with the one in ``base``, its neighbour."""
    draft = open_draft(out)
    deepcopy(unet).cpu().half().save_pretrained(draft / "unet")
    shutil.copyfile(base / INDEX, draft / INDEX)
    card = json.dumps({BASE: base.name}, indent=2) + "\n"
    (draft / CARD).write_text(card, encoding="utf-8")
    close_draft(draft, out)


def export_tensors(
    out: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors to the safetensors file ``out``, in half precision."""
    out.parent.mkdir(parents=True, exist_ok=True)
    halved = {name: t.detach().cpu().half().contiguous() for name, t in tensors.items()}
    draft = out.with_name(out.name + ".draft")
    save_file(halved, draft, dict(metadata or {}))
    draft.replace(out)


def open_draft(out: Path) -> Path:
    """Make an empty folder beside ``out``."""
    draft = out.with_name(out.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    return draft


def close_draft(draft: Path, out: Path) -> None:
    """Move everything in ``draft`` into ``out``, in place of what had its name there."""
    for path in draft.rglob("*.json"):
        forget_origin(path)
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(draft.iterdir()):
        target = out / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    draft.rmdir()


def forget_origin(path: Path) -> None:
    """Remove from a configuration the folder it was once read from."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(config, dict) and config.pop("_name_or_path", None) is not None:
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_checkpoint(folder: Path, device: str = "cpu") -> StableDiffusionPipeline:
    """Load an exported checkpoint in single precision, ready to sample."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, safety_checker=None, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device, torch.float32)
