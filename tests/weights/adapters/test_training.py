"""What was trained as an addition to each layer's output is the same when merged into weights."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from webui.starter.lora import LoraNetwork
from webui.weights.adapters import Adapters, Wish, read_adapter
from webui.weights.checkpoint import Checkpoint
from webui.weights.loading import load_checkpoint
from webui.weights.patches import patched


def answer(checkpoint: Checkpoint) -> tuple[Tensor, Tensor]:
    """What the text encoder says of some words, and the network of some noise under that."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(1, 4, 8, 8, generator=generator)
    with torch.no_grad():
        words = checkpoint.text_encoders[0](torch.tensor([[1, 2, 3, 4]])).last_hidden_state
        network = checkpoint.network.module
        return words, network(noise, 500, encoder_hidden_states=words).sample


def test_a_lora_of_the_starters_training_works_as_it_was_trained(
    tiny_folder: Path, tmp_path: Path
) -> None:
    trained = load_checkpoint(tiny_folder, "cpu", torch.float32)
    plain = answer(trained)
    lora = LoraNetwork(trained.network.module, trained.text_encoders[0], seed=2)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in lora.named_parameters():
            if ".up." in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    save_file({n: t.contiguous() for n, t in lora.pack().items()}, tmp_path / "l.safetensors")
    adapter = read_adapter(tmp_path / "l.safetensors", "l", "l")
    loaded = load_checkpoint(tiny_folder, "cpu", torch.float32)
    with patched(loaded, [Adapters([Wish(adapter)], pytest.fail)]):
        merged = answer(loaded)
    for made, expected, before in zip(merged, answer(trained), plain, strict=True):
        assert (expected - before).abs().max() > 0.01
        torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-4)
