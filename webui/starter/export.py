"""Writing the checkpoint in the diffusers layout, half precision, without traces of the machine."""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTokenizer

from webui.starter.lesson import Pair
from webui.starter.networks import build_scheduler

TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json")


def export_checkpoint(
    out: Path, pair: Pair, vae: AutoencoderKL, tokenizer: CLIPTokenizer, words: Path
) -> None:
    """Write the checkpoint to ``out``; ``words`` is the folder of the tokenizer's files.

    Written beside ``out`` first and then moved there, so that a reader never meets half of it.
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
    draft = out.with_name(out.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    pipeline.save_pretrained(draft, safe_serialization=True)
    shutil.rmtree(draft / "tokenizer")
    (draft / "tokenizer").mkdir()
    for name in TOKENIZER_FILES:
        shutil.copyfile(words / name, draft / "tokenizer" / name)
    for path in draft.rglob("*.json"):
        forget_origin(path)
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(out)


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
