"""FLUX from files of 8 bits and from GGUF: what they answer is what their numbers say."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.weights.test_transformer_families import T5_FOLDER, load, write_model
from tests.weights.transformer_files import drawn, flux_shapes, write_parts
from webui.diffusion.conditioning import Conditioning, Row, stack
from webui.library.companions import Surroundings
from webui.weights.checkpoint import Checkpoint
from webui.weights.quantised.stored import Stored

EIGHT = torch.float8_e4m3fn
PACKED = ("model.diffusion_model.", "text_encoders.t5xxl.")


def answer(checkpoint: Checkpoint) -> Tensor:
    """What the network makes of some noise and some text."""
    generator = torch.Generator().manual_seed(1)
    told = Conditioning(
        torch.randn(1, 5, 80, generator=generator),
        torch.randn(1, 64, generator=generator),
        guidance=torch.tensor([3.5]),
    )
    x = torch.randn(1, 16, 8, 8, generator=generator)
    with torch.inference_mode():
        return checkpoint.network(x, torch.tensor([500.0]), stack([Row(0, told, True)]))


def words(checkpoint: Checkpoint) -> Tensor:
    with torch.inference_mode():
        return cast(Tensor, checkpoint.text_encoders[1](torch.tensor([[5, 9, 1]]))[0])


def rewritten(path: Path, whole: Mapping[str, Tensor]) -> Path:
    save_file(dict(whole), path)
    return path


def test_weights_of_8_bits_stay_so_and_count_as_they_are(tmp_path: Path) -> None:
    state = load_file(write_model(tmp_path / "model.safetensors", "flux_dev"))
    narrow = {n: t.to(EIGHT) if n.startswith(PACKED) else t for n, t in state.items()}
    packed = load(rewritten(tmp_path / "narrow.safetensors", narrow))
    plain = {n: t.float() for n, t in narrow.items()}
    usual = load(rewritten(tmp_path / "wide.safetensors", plain))
    weights = [m.weight for m in packed.network.module.modules() if isinstance(m, nn.Linear)]
    assert all(isinstance(weight, Stored) for weight in weights[:-1])
    assert torch.allclose(answer(packed), answer(usual), atol=1e-5)
    assert torch.allclose(words(packed), words(usual), atol=1e-5)


def test_scaled_weights_of_8_bits_are_multiplied(tmp_path: Path) -> None:
    state = load_file(write_model(tmp_path / "model.safetensors", "flux_dev"))
    scaled: dict[str, Tensor] = {"text_encoders.t5xxl.transformer.scaled_fp8": torch.zeros(0)}
    wide = dict(state)
    for name, tensor in state.items():
        inner = name.startswith("text_encoders.t5xxl.") and "Dense" in name
        if not inner:
            scaled[name] = tensor
            continue
        scaled[name] = (tensor * 4).to(EIGHT)
        scaled[f"{name.removesuffix('weight')}scale_weight"] = torch.tensor(0.25)
        wide[name] = scaled[name].float() * 0.25
    packed = load(rewritten(tmp_path / "scaled.safetensors", scaled))
    usual = load(rewritten(tmp_path / "wide.safetensors", wide))
    assert torch.allclose(words(packed), words(usual), atol=1e-5)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_a_gguf_transformer_is_read_with_the_other_parts_beside_it(
    tmp_path: Path, kind: str
) -> None:
    parts = flux_shapes("flux_dev")
    files = write_parts(tmp_path / "parts", parts)
    state = drawn(parts["transformer"], 0)
    path, wide = tmp_path / "flux1-dev.gguf", dict(state)
    writer = gguf.GGUFWriter(path, "flux")
    number = gguf.GGMLQuantizationType[kind]
    for name, tensor in state.items():
        values = tensor.numpy()
        if tensor.dim() == 2 and tensor.shape[1] % 32 == 0:
            packed = gguf.quants.quantize(values, number)
            writer.add_tensor(name, packed, raw_dtype=number)
            wide[name] = torch.from_numpy(gguf.quants.dequantize(packed, number))
        else:
            writer.add_tensor(name, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    about = Surroundings((), (files["vae"], files["clip_l"], files["t5xxl"]), (T5_FOLDER,))
    from_gguf = load(path, about)
    assert from_gguf.family.name == "flux_dev"
    usual = load(rewritten(files["transformer"], wide), about)
    assert torch.allclose(answer(from_gguf), answer(usual), atol=1e-4)
