"""Safetensors files of 8 bits: plainly cast, and scaled."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from webui.errors import UnsupportedModel
from webui.weights.quantised import Stored, TensorFile, open_tensors

PREFIX = "model.diffusion_model."


def write(folder: Path, state: dict[str, Tensor]) -> TensorFile:
    path = folder / "model.safetensors"
    save_file(state, path)
    return open_tensors(path)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_plainly_cast_weights_become_the_wanted_format(tmp_path: Path, dtype: torch.dtype) -> None:
    weight = torch.randn(4, 6, generator=torch.manual_seed(0)).to(dtype)
    conv = torch.randn(4, 2, 3, 3, generator=torch.manual_seed(1)).to(dtype)
    bias = torch.ones(4, dtype=torch.float16)
    file = write(tmp_path, {"x.weight": weight, "c.weight": conv, "x.bias": bias})
    state = file.read(list(file.header.tensors), torch.bfloat16)
    assert torch.equal(state["x.weight"], weight.bfloat16())
    assert torch.equal(state["c.weight"], conv.bfloat16())
    assert torch.equal(state["x.bias"], bias)
    kept = file.read(list(file.header.tensors), torch.bfloat16, keep=True)
    assert isinstance(kept["x.weight"], Stored) and kept["x.weight"].nbytes == 24
    assert not isinstance(kept["c.weight"], Stored)


@pytest.mark.parametrize("scale_name", ["scale_weight", "weight_scale"])
@pytest.mark.parametrize("rows", [0, 1, 4])
def test_scaled_weights_are_what_is_stored_times_the_scale(
    tmp_path: Path, scale_name: str, rows: int
) -> None:
    weight = torch.randn(4, 6, generator=torch.manual_seed(0)).to(torch.float8_e4m3fn)
    scale = torch.tensor(0.5) if rows == 0 else torch.arange(1.0, rows + 1)
    told = {
        f"{PREFIX}x.weight": weight,
        f"{PREFIX}x.{scale_name}": scale,
        f"{PREFIX}x.scale_input": torch.tensor(1.0),
        f"{PREFIX}scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn),
    }
    file = write(tmp_path, told)
    assert list(file.header.tensors) == [f"{PREFIX}x.weight"]
    state = file.read([f"{PREFIX}x.weight"], torch.float32)
    assert torch.equal(state[f"{PREFIX}x.weight"], weight.float() * scale.reshape(-1, 1))


def test_scales_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    weight = torch.zeros(4, 6, dtype=torch.float8_e4m3fn)
    file = write(tmp_path, {"x.weight": weight, "x.scale_weight": torch.ones(3)})
    with pytest.raises(UnsupportedModel, match="3 scales for 4 rows"):
        file.read(["x.weight"], torch.float32)


def test_plain_files_are_read_as_they_are(tmp_path: Path) -> None:
    file = write(tmp_path, {"x.weight": torch.ones(2, 2, dtype=torch.float16)})
    assert file.header.tensors["x.weight"].dtype == "F16"
    read = file.read(["x.weight"], torch.float32, keep=True)["x.weight"]
    assert read.dtype == torch.float16 and not isinstance(read, Stored)
