"""Reading tensors out of GGUF files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.weights.quantised.blocks import random_rows, unpacked
from tests.weights.quantised.conftest import WriteGguf
from webui.library.entries import TensorInfo
from webui.weights.quantised import Stored, open_tensors

KINDS = ("Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0")


@pytest.mark.parametrize("kind", KINDS)
def test_a_matrix_is_read_unpacked_or_kept(write_gguf: WriteGguf, kind: str) -> None:
    packed = random_rows(kind, 6, 256)
    wanted = torch.from_numpy(unpacked(kind, packed))
    bias = np.arange(6, dtype=np.float32)
    file = open_tensors(write_gguf({"x.weight": (kind, packed), "x.bias": ("F32", bias)}))
    assert file.header.tensors["x.weight"] == TensorInfo(kind, (6, 256))
    plain = file.read(["x.weight", "x.bias"], torch.float32)
    assert torch.equal(plain["x.weight"], wanted)
    assert torch.equal(plain["x.bias"], torch.from_numpy(bias))
    kept = file.read(["x.weight"], torch.bfloat16, keep=True)["x.weight"]
    assert isinstance(kept, Stored) and kept.nbytes == packed.nbytes
    assert torch.equal(kept.dense(), wanted.bfloat16())


def test_whole_numbers_come_as_stored_in_every_width(write_gguf: WriteGguf) -> None:
    halves = np.linspace(-1, 1, 8, dtype=np.float16).reshape(2, 4)
    short = torch.linspace(-1, 1, 8).bfloat16().reshape(2, 4)
    raw = short.view(torch.uint8).numpy()
    state = open_tensors(write_gguf({"a": ("F16", halves), "b": ("BF16", raw)})).read(
        ["a", "b"], torch.float32
    )
    assert torch.equal(state["a"], torch.from_numpy(halves))
    assert torch.equal(state["b"], short)


def test_a_convolution_gets_its_own_shape_back(write_gguf: WriteGguf) -> None:
    packed = random_rows("Q8_0", 9, 32)
    path = write_gguf({"conv.weight": ("Q8_0", packed)}, shapes={"conv.weight": (8, 4, 3, 3)})
    file = open_tensors(path)
    assert file.header.shape("conv.weight") == (8, 4, 3, 3)
    read = file.read(["conv.weight"], torch.float32, keep=True)["conv.weight"]
    wanted = torch.from_numpy(unpacked("Q8_0", packed)).reshape(8, 4, 3, 3)
    assert not isinstance(read, Stored) and torch.equal(read, wanted)


def test_t5_encoders_get_their_published_names(write_gguf: WriteGguf) -> None:
    one = ("F32", np.zeros((2, 32), np.float32))
    names = ("token_embd", "enc.blk.3.attn_rel_b", "enc.blk.0.ffn_up", "enc.output_norm")
    file = open_tensors(write_gguf({f"{n}.weight": one for n in names}, architecture="t5encoder"))
    assert list(file.header.tensors) == [
        "shared.weight",
        "encoder.block.3.layer.0.SelfAttention.relative_attention_bias.weight",
        "encoder.block.0.layer.1.DenseReluDense.wi_1.weight",
        "encoder.final_layer_norm.weight",
    ]


def test_reading_leaves_the_file_as_it_was(write_gguf: WriteGguf) -> None:
    path: Path = write_gguf({"a": ("F32", np.ones((2, 2), np.float32))})
    before = path.read_bytes()
    open_tensors(path).read(["a"], torch.float32)["a"].zero_()
    assert path.read_bytes() == before
