"""What putting LoRA files on a UNet costs, beside diffusers with peft in the same run.

Usage: python -m benchmarks.adapters [--rank 16] [--rounds 3] [--threads 1] [--kinds sd15 sdxl]
Networks have the true widths of Stable Diffusion 1.5 and SDXL and made-up numbers in bfloat16. SDXL
has 2 of its 10 inner blocks where it has 10, so its times are for a network of the printed size and
not the whole one. "apply" lays a file that is in memory on the network, "switch" takes it off and
lays on another one, "leave" takes it off. Ours adds the changes to the weights, once; diffusers
keeps them beside each layer ("load_lora_adapter", which load_lora_weights of its pipelines calls)
and pays at every step, until "fuse_lora" adds them to the weights. Needs the package peft, which
the program itself does not.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the worker has it

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from webui.weights.torchvision_guard import mend_torchvision

mend_torchvision()

from diffusers import UNet2DConditionModel  # noqa: E402 - after the guard

from webui.weights.adapters import Adapters, Wish, read_adapter  # noqa: E402
from webui.weights.families import FAMILIES  # noqa: E402

CROSS_DOWN, CROSS_UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
KINDS: dict[str, dict[str, Any]] = {
    "sd15": {"cross_attention_dim": 768, "attention_head_dim": 8},
    "sdxl": {
        "cross_attention_dim": 2048,
        "attention_head_dim": (5, 10, 20),
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", CROSS_DOWN, CROSS_DOWN),
        "up_block_types": (CROSS_UP, CROSS_UP, "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 2),
        "use_linear_projection": True,
    },
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    sys.stdout.write("| network | LoRA | way | apply s | switch s | leave s |\n")
    sys.stdout.write("| --- | --- | --- | ---: | ---: | ---: |\n")
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            network = _network(kind)
            files = [_write(network, Path(folder) / f"{n}.safetensors", n, options.rank)
                     for n in range(2)]  # fmt: skip
            size = sum(p.numel() for p in network.parameters()) / 1e6
            layers = len(load_file(files[0])) // 2
            about = f"{kind}, {size:.0f} M numbers | rank {options.rank}, {layers} layers"
            for way, measure in WAYS.items():
                times = [measure(network, kind, files) for _ in range(options.rounds)]
                columns = (statistics.median(column) for column in zip(*times, strict=True))
                told = " | ".join(f"{seconds:.2f}" for seconds in columns)
                sys.stdout.write(f"| {about} | {way} | {told} |\n")
                sys.stdout.flush()


def _network(kind: str) -> nn.Module:
    with torch.device("meta"):
        network: Any = UNet2DConditionModel(**KINDS[kind])
        network = nn.Module.to(network, torch.bfloat16)
    network = network.to_empty(device="cpu").requires_grad_(False)
    for parameter in network.parameters():
        parameter.data.fill_(0.01)
    return network


def _write(network: nn.Module, path: Path, seed: int, rank: int) -> Path:
    """A LoRA for every projection of the transformers, under diffusers' names."""
    generator, tensors = torch.Generator().manual_seed(seed), dict[str, torch.Tensor]()
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear) and "transformer_blocks" in name:
            down = torch.randn(rank, module.in_features, generator=generator)
            up = torch.randn(module.out_features, rank, generator=generator)
            tensors[f"unet.{name}.lora_A.weight"] = down.bfloat16()
            tensors[f"unet.{name}.lora_B.weight"] = up.bfloat16()
    save_file(tensors, path)
    return path


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _tell(sentence: str) -> None:
    raise RuntimeError(sentence)  # every tensor has its place here


Times = tuple[float, float, float]


def _ours(network: nn.Module, kind: str, files: list[Path]) -> Times:
    family = next(one for one in FAMILIES if one.name == {"sd15": "sd1"}.get(kind, kind))
    checkpoint: Any = SimpleNamespace(
        network=SimpleNamespace(module=network), text_encoders=(), family=family, title=kind,
        rest=lambda: None,
    )  # fmt: skip
    first, second = (
        Adapters([Wish(read_adapter(path, path.stem, path))], _tell).apply(checkpoint)
        for path in files
    )
    apply = _timed(first.__enter__)
    switch = _timed(lambda: (first.__exit__(None, None, None), second.__enter__()))
    return apply, switch, _timed(lambda: second.__exit__(None, None, None))


def _beside(network: Any, _kind: str, files: list[Path], fuse: bool = False) -> Times:
    first, second = (load_file(path) for path in files)

    def load(state: dict[str, torch.Tensor]) -> None:
        network.load_lora_adapter(dict(state), prefix="unet", adapter_name="one")
        if fuse:
            network.fuse_lora()

    def leave() -> None:
        if fuse:
            network.unfuse_lora()
        network.unload_lora()

    apply = _timed(lambda: load(first))
    switch = _timed(lambda: (leave(), load(second)))
    return apply, switch, _timed(leave)


def _fused(network: Any, kind: str, files: list[Path]) -> Times:
    return _beside(network, kind, files, fuse=True)


WAYS = {"ours, added": _ours, "diffusers, beside": _beside, "diffusers, fused": _fused}


if __name__ == "__main__":
    main()
