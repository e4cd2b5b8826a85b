"""Switching models and adapters over and over: memory stays what it was."""

from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import save_file

from webui.weights.adapters import Adapters, Wish, read_adapter
from webui.weights.memory import release_memory
from webui.weights.residency import Residency

MB = 1_000_000
NOISE = 24 * MB
"""What an interpreter's own caches may grow by while it runs, whatever is loaded."""


@dataclass(frozen=True)
class File:
    path: Path
    title: str
    sha256: str | None = None


def write_lora(path: Path, seed: int) -> Path:
    """A LoRA for the queries and keys of the tiny UNet's attention."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    for block in ("down_blocks_1", "down_blocks_2"):
        for attention in ("attn1", "attn2"):
            width = 32 if block.endswith("1") else 64
            name = f"lora_unet_{block}_attentions_0_transformer_blocks_0_{attention}_to_q"
            state[f"{name}.lora_down.weight"] = torch.randn(4, width, generator=generator)
            state[f"{name}.lora_up.weight"] = torch.randn(width, 4, generator=generator)
    save_file(state, path)
    return path


@pytest.mark.parametrize("times", [16, pytest.param(100, marks=pytest.mark.soak)])
def test_switches_between_two_checkpoints_and_ten_adapters_leave_no_trace(
    tiny_folder: Path, tiny_v_folder: Path, tmp_path: Path, times: int
) -> None:
    files = [File(tiny_folder, "one"), File(tiny_v_folder, "two")]
    paths = [write_lora(tmp_path / f"{seed}.safetensors", seed) for seed in range(10)]
    adapters = [read_adapter(path, path.stem, path) for path in paths]
    residency, process, told = Residency("cpu"), psutil.Process(), list[str]()
    seen: list[int] = []
    for turn in range(times + 4):
        checkpoint = residency.checkpoint(files[turn % 2])
        before = [p.data_ptr() for p in checkpoint.network.module.parameters()]
        for adapter in adapters:
            with Adapters((Wish(adapter),), told.append).apply(checkpoint):
                pass
        assert [p.data_ptr() for p in checkpoint.network.module.parameters()] == before
        del checkpoint
        if turn >= 3:
            release_memory(residency.device)
            seen.append(process.memory_info().rss)
    assert not told
    assert seen[-1] - seen[0] < max(0.05 * seen[0], NOISE)


def test_letting_models_go_gives_their_memory_back(tiny_folder: Path) -> None:
    residency, process = Residency("cpu"), psutil.Process()
    residency.checkpoint(File(tiny_folder, "one"))
    residency.clear()
    before = process.memory_info().rss
    for _ in range(4):
        residency.checkpoint(File(tiny_folder, "one"))
        residency.clear()
    assert process.memory_info().rss - before < 200 * MB
