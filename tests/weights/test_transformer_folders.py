"""Stable Diffusion 3 and FLUX as folders in diffusers layout, whole and in pieces."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.weights.test_transformer_families import T5_FOLDER, load, write_model
from webui.library.vocabularies import BpeVocabulary
from webui.weights.checkpoint import Checkpoint


def save_folder(checkpoint: Checkpoint, folder: Path, sharded: bool = False) -> Path:
    """Write a checkpoint as diffusers and transformers do, with its tokenizers."""
    family = checkpoint.family
    limit = "200KB" if sharded else "1GB"
    scheduler: dict[str, Any] = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    for name, module in checkpoint.modules.items():
        saver: Any = module
        saver.save_pretrained(folder / name, max_shard_size=limit)
    for encoder, words in zip(family.encoders, checkpoint.vocabularies, strict=True):
        place = folder / encoder.tokenizer
        place.mkdir()
        if not isinstance(words, BpeVocabulary):
            shutil.copy(T5_FOLDER / "spiece.model", place)
            continue
        pad = next(word for word, number in words.tokens.items() if number == words.pad)
        (place / "vocab.json").write_text(json.dumps(words.tokens), encoding="utf-8")
        lines = "\n".join(["#version", *(" ".join(pair) for pair in words.merges)])
        (place / "merges.txt").write_text(lines, encoding="utf-8")
        (place / "tokenizer_config.json").write_text(json.dumps({"pad_token": pad}), "utf-8")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler), "utf-8")
    index: dict[str, Any] = {name: ["a", "b"] for name in checkpoint.modules}
    index["_class_name"] = "FluxPipeline" if family.base == "flux" else "StableDiffusion3Pipeline"
    if family.name == "flux_kontext":
        index["_class_name"] = "FluxKontextPipeline"
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def same(one: Checkpoint, other: Checkpoint) -> bool:
    return one.modules.keys() == other.modules.keys() and all(
        torch.equal(tensor, other.modules[name].state_dict()[key])
        for name, module in one.modules.items()
        for key, tensor in module.state_dict().items()
    )


@pytest.mark.parametrize("layout", ["flux_schnell", "flux_fill", "sd3_medium", "sd35_medium"])
def test_a_folder_is_the_same_model_as_its_file(layout: str, tmp_path: Path) -> None:
    whole = load(write_model(tmp_path / "file" / "model.safetensors", layout))
    folder = load(save_folder(whole, tmp_path / "folder", sharded=layout == "sd35_medium"))
    assert folder.family.name == whole.family.name
    assert folder.prediction.sigma_max == pytest.approx(1.0)
    assert same(whole, folder)


def test_a_kontext_folder_is_told_by_its_pipeline(tmp_path: Path) -> None:
    whole = load(write_model(tmp_path / "file" / "kontext.safetensors", "flux_dev"))
    assert load(save_folder(whole, tmp_path / "folder")).family.name == "flux_kontext"


def test_a_folder_without_t5_works_without_it(tmp_path: Path) -> None:
    whole = load(write_model(tmp_path / "file" / "model.safetensors", "sd35_large"))
    folder = save_folder(whole, tmp_path / "folder")
    shutil.rmtree(folder / "text_encoder_3")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    index["text_encoder_3"] = [None, None]
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    checkpoint = load(folder)
    assert [e.folder for e in checkpoint.family.encoders] == ["text_encoder", "text_encoder_2"]
