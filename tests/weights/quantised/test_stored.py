"""Packed matrices as weights of ordinary modules."""

import pytest
import torch
from torch import Tensor, nn

from tests.weights.quantised.blocks import random_rows, unpacked
from webui.weights.quantised import Stored
from webui.weights.quantised.packings import Blocks, Eighths


def matrix(rows: int = 6, dtype: torch.dtype = torch.float32, seed: int = 0) -> Stored:
    packed = random_rows("Q4_K", rows, 256, seed)
    return Stored(Blocks("Q4_K"), (torch.from_numpy(packed),), 256, dtype)


def plain(rows: int = 6, seed: int = 0) -> Tensor:
    return torch.from_numpy(unpacked("Q4_K", random_rows("Q4_K", rows, 256, seed)))


def linear(weight: Tensor) -> nn.Linear:
    with torch.device("meta"):
        layer = nn.Linear(256, len(weight), bias=False)
    layer.load_state_dict({"weight": weight}, assign=True)
    return layer.requires_grad_(False)


def test_a_linear_layer_multiplies_by_the_unpacked_numbers() -> None:
    x = torch.randn(3, 256, generator=torch.manual_seed(0))
    layer = linear(matrix())
    assert isinstance(layer.weight, Stored)
    assert torch.equal(layer(x), x @ plain().T)


def test_moving_a_module_keeps_the_packed_form() -> None:
    layer = linear(matrix()).to(torch.bfloat16)
    weight = layer.weight
    assert isinstance(weight, Stored) and weight.dtype == torch.bfloat16
    assert weight.parts[0].dtype == torch.uint8 and weight.nbytes == 6 * 144
    x = torch.randn(3, 256, generator=torch.manual_seed(0)).bfloat16()
    assert torch.equal(layer(x), x @ plain().bfloat16().T)
    assert isinstance(layer.to("meta").weight, Stored)


def test_rows_are_cut_and_joined_in_the_packed_form() -> None:
    first, second = matrix().chunk(2)
    assert isinstance(first, Stored) and torch.equal(second.dense(), plain()[3:])
    swapped = torch.cat([second, first])
    assert isinstance(swapped, Stored)
    assert torch.equal(swapped.dense(), torch.cat([plain()[3:], plain()[:3]]))
    assert isinstance(matrix()[1:4], Stored)
    assert torch.equal(torch.split(matrix(), [1, 5])[1].dense(), plain()[1:])


def test_what_does_not_fit_together_is_unpacked() -> None:
    joined = torch.cat([matrix(), torch.zeros(1, 256)])
    assert not isinstance(joined, Stored)
    assert torch.equal(joined, torch.cat([plain(), torch.zeros(1, 256)]))
    assert torch.equal(matrix()[:, 3:5], plain()[:, 3:5])
    assert torch.equal(torch.cat([matrix(), matrix()], dim=1), torch.cat([plain(), plain()], 1))


def test_eighths_with_and_without_scales_are_not_joined_as_they_are() -> None:
    numbers = torch.ones(2, 4).to(torch.float8_e4m3fn)
    bare = Stored(Eighths("float8_e4m3fn"), (numbers,), 4, torch.float32)
    scaled = Stored(Eighths("float8_e4m3fn"), (numbers, torch.full((2, 1), 3.0)), 4, torch.float32)
    joined = torch.cat([bare, scaled])
    assert torch.equal(joined, torch.tensor([1.0, 1.0, 3.0, 3.0])[:, None].expand(4, 4))


def test_writing_into_a_packed_matrix_is_refused() -> None:
    with pytest.raises(TypeError, match="would write"):
        matrix().add_(1)
    with pytest.raises(TypeError, match="would write"):
        matrix().copy_(plain())


def test_a_packed_matrix_can_be_read_into_another_tensor() -> None:
    target = torch.zeros(6, 256)
    target.copy_(matrix())
    assert torch.equal(target, plain())


def test_long_matrices_are_unpacked_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webui.weights.quantised.stored.NUMBERS_AT_ONCE", 600)
    assert torch.equal(matrix().dense(), plain())


def test_layers_work_in_inference_mode_and_as_embeddings() -> None:
    table = nn.Embedding.from_pretrained(matrix(), freeze=True)
    with torch.inference_mode():
        assert torch.equal(table(torch.tensor([4, 1])), plain()[[4, 1]])
        assert linear(matrix())(torch.zeros(1, 256)).shape == (1, 6)


def test_exchanging_its_data_exchanges_the_packed_numbers() -> None:
    layer = linear(matrix(seed=1))
    layer.weight.data = layer.weight.data.to(torch.bfloat16)
    assert layer.weight.dtype == torch.bfloat16
    layer.weight.data = matrix(seed=2)
    assert isinstance(layer.weight, Stored)
    assert torch.equal(layer.weight.dense(), plain(seed=2))


def test_what_a_parameter_points_at_can_be_exchanged_as_placement_does() -> None:
    layer = linear(matrix())
    kept = layer.weight.data
    layer.weight.data = kept.to("meta", torch.bfloat16)
    weight = layer.weight
    assert isinstance(weight, nn.Parameter) and isinstance(weight, Stored)
    assert weight.device.type == weight.parts[0].device.type == "meta"
    weight.data = kept
    assert isinstance(kept, Stored) and torch.equal(kept.dense(), plain())
    x = torch.randn(3, 256, generator=torch.manual_seed(0))
    assert torch.equal(layer(x), x @ plain().T)
