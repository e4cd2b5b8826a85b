from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

NETWORK = "model.diffusion_model."
Weights = dict[str, torch.Tensor]
Write = Callable[..., Path]


def make_weights(seed: int, channels: int = 4, dtype: torch.dtype = torch.float32) -> Weights:
    """The names of a Stable Diffusion 1.x checkpoint with a few small tensors under each part."""
    made = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=made).to(dtype)

    blocks = [f"input_blocks.{n}.0.in_layers.2.weight" for n in range(1, 12)]
    blocks += ["middle_block.1.norm.weight"]
    blocks += [f"output_blocks.{n}.0.in_layers.2.weight" for n in range(12)]
    return {
        f"{NETWORK}input_blocks.0.0.weight": numbers(3, channels, 3, 3),
        f"{NETWORK}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": numbers(3, 768),
        f"{NETWORK}input_blocks.1.1.proj_in.weight": numbers(3, 3, 1, 1),
        f"{NETWORK}time_embed.0.weight": numbers(4),
        f"{NETWORK}out.2.weight": numbers(4),
        **{NETWORK + name: numbers(5) for name in blocks},
        "first_stage_model.decoder.conv_in.weight": numbers(4, 4, 3, 3),
        "first_stage_model.decoder.up.0.block.0.conv1.weight": numbers(4),
        "cond_stage_model.transformer.text_model.final_layer_norm.weight": numbers(6),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "alphas_cumprod": torch.linspace(0.99, 0.01, 10),
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a checkpoint into the models folder of this test."""

    def make(name: str, weights: Weights, metadata: dict[str, str] | None = None) -> Path:
        path = tmp_path / "models" / "Stable-diffusion" / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, path, metadata)
        return path

    return make
