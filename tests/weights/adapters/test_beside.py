"""Changes kept beside a weight: for the places where nothing can be added to it."""

from collections.abc import Callable

import pytest
import torch
from diffusers.hooks import apply_layerwise_casting
from torch import Tensor, nn

from tests.weights.quantised.blocks import random_rows
from tests.weights.quantised.test_fourbits import NF4
from webui.weights.adapters.formulas import Parts
from webui.weights.adapters.layers import Ledger, bias_changes, weight_changes
from webui.weights.adapters.places import Piece, Place
from webui.weights.quantised import Stored
from webui.weights.quantised.packings import Blocks, FourBits

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(8, 6),
    "point": lambda: nn.Conv2d(8, 6, 1),
    "square": lambda: nn.Conv2d(8, 6, 3, stride=2, padding=1),
    "circular": lambda: nn.Conv2d(8, 6, 3, padding=1, padding_mode="circular"),
}


def parts_for(kind: str, layer: nn.Module) -> Parts:
    generator = torch.Generator().manual_seed(4)
    kernel = [3, 3] if layer.get_parameter("weight").shape[2:] == (3, 3) else []

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.1

    match kind:
        case "lora":
            parts = {"up": draw(6, 2), "down": draw(2, 8, *kernel), "alpha": torch.tensor(1.0)}
        case "loha":
            wide = 8 * 9 if kernel else 8
            parts = {f"hada_w{n}_a": draw(6, 2) for n in (1, 2)}
            parts |= {f"hada_w{n}_b": draw(2, wide) for n in (1, 2)}
        case _:
            parts = {"up": draw(6, 2), "down": draw(2, 8, *kernel), "dora_scale": draw(6).abs()}
    return {**parts, "diff_b": draw(6)}


def put_on(place: Place, parts: Parts, ledger: Ledger, strength: float) -> None:
    for piece, change in weight_changes(place, parts, None, ledger):
        ledger.add(piece, "weight", change, strength)
    for piece, change in bias_changes(place, parts):
        ledger.add(piece, "bias", change, strength)
    for parameter, _ in (*place.weights, *place.biases):
        ledger.settle(parameter)
    ledger.attach()


@pytest.mark.parametrize("kind", ["lora", "loha", "dora"])
@pytest.mark.parametrize("name", list(LAYERS))
def test_an_eight_bit_layer_gives_what_the_merged_one_gives(name: str, kind: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]().requires_grad_(False)
    stored = LAYERS[name]().requires_grad_(False)
    for own, other in zip(layer.parameters(), stored.parameters(), strict=True):
        own.data = own.data.to(torch.float8_e4m3fn).float()  # so that both start from one weight
        other.data = own.data.clone()
    apply_layerwise_casting(stored, torch.float8_e4m3fn, torch.float32, skip_modules_pattern=())
    seen = torch.randn(2, 8) if name == "linear" else torch.randn(2, 8, 6, 6)
    parts = parts_for(kind, layer)
    before, bits = stored(seen), stored.get_parameter("weight").view(torch.uint8).clone()
    assert stored.get_parameter("weight").dtype == torch.float8_e4m3fn
    merged, beside = Ledger(), Ledger()
    put_on(Place((Piece(layer),)), parts, merged, 0.7)
    put_on(Place((Piece(stored),)), parts, beside, 0.7)
    for _ in range(2):
        torch.testing.assert_close(stored(seen), layer(seen), atol=1e-4, rtol=1e-4)
    beside.undo()
    merged.undo()
    assert torch.equal(stored(seen), before)
    assert torch.equal(stored.get_parameter("weight").view(torch.uint8), bits)


@pytest.mark.parametrize("dense", [True, False])
def test_a_name_for_several_layers_changes_each_by_its_rows(dense: bool) -> None:
    torch.manual_seed(1)
    layers = [nn.Linear(8, rows).requires_grad_(False) for rows in (6, 6, 4)]
    fused = nn.Linear(8, 14).requires_grad_(False)
    fused.weight.copy_(torch.cat([layer.weight for layer in layers[:2]] + [layers[2].weight[:2]]))
    fused.bias.copy_(torch.cat([layer.bias for layer in layers[:2]] + [layers[2].bias[:2]]))
    if not dense:
        for layer in layers:
            vars(layer)["_diffusers_hook"] = None  # as a library marks what it moves about
    originals = [layer.weight.clone() for layer in layers]
    parts = {"up": torch.randn(14, 3), "down": torch.randn(3, 8), "diff_b": torch.randn(14)}
    place = Place((Piece(layers[0]), Piece(layers[1]), Piece(layers[2], 0, 2)))
    split, joined = Ledger(), Ledger()
    put_on(place, parts, split, 0.5)
    put_on(Place((Piece(fused),)), parts, joined, 0.5)
    seen = torch.randn(5, 8)
    given = [layer(seen) for layer in layers]
    torch.testing.assert_close(torch.cat([*given[:2], given[2][:, :2]], dim=1), fused(seen))
    split.undo()
    for layer, original in zip(layers, originals, strict=True):
        assert torch.equal(layer.weight, original)
    assert not torch.equal(given[2][:, :2], layers[2](seen)[:, :2])
    assert torch.equal(given[2][:, 2:], layers[2](seen)[:, 2:])


def test_halves_may_trade_places() -> None:
    layer = nn.Linear(3, 4).requires_grad_(False)
    before, change = layer.weight.clone(), torch.randn(4, 3)
    ledger = Ledger()
    put_on(Place((Piece(layer, 2), Piece(layer, 0, 2))), {"diff": change}, ledger, 1.0)
    torch.testing.assert_close(layer.weight - before, change.roll(2, 0))
    ledger.undo()
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("kind", ["lora", "loha", "dora"])
@pytest.mark.parametrize("packed", ["Q4_K", "Q8_0", "nf4"])
def test_a_packed_matrix_gives_what_merging_into_the_unpacked_one_gives(
    packed: str, kind: str
) -> None:
    weight = nf4_matrix(6, 256) if packed == "nf4" else gguf_matrix(packed, 6, 256)
    stored, layer = linear(weight), linear(weight.dense())
    seen = torch.randn(3, 256, generator=torch.Generator().manual_seed(2))
    before, parts = stored(seen), wide_parts(kind)
    assert isinstance(stored.weight, Stored) and torch.equal(before, layer(seen))
    bits = [part.clone() for part in stored.weight.parts]
    merged, beside = Ledger(), Ledger()
    put_on(Place((Piece(layer),)), parts, merged, 0.7)
    put_on(Place((Piece(stored),)), parts, beside, 0.7)
    assert not torch.allclose(layer(seen), before, atol=1e-2)
    torch.testing.assert_close(stored(seen), layer(seen), atol=1e-4, rtol=1e-4)
    beside.undo()
    assert isinstance(stored.weight, Stored)
    assert all(torch.equal(a, b) for a, b in zip(stored.weight.parts, bits, strict=True))
    assert torch.equal(stored(seen), before)


def nf4_matrix(rows: int, width: int) -> Stored:
    generator = torch.Generator().manual_seed(6)
    data = torch.randint(0, 256, (rows, width // 2), dtype=torch.uint8, generator=generator)
    largest = torch.rand(rows, width // 64, generator=generator)
    packing = FourBits("nf4", tuple(NF4.tolist()), 64)
    return Stored(packing, (data, largest), width, torch.float32)


def gguf_matrix(kind: str, rows: int, width: int) -> Stored:
    data = torch.from_numpy(random_rows(kind, rows, width, 0))
    return Stored(Blocks(kind), (data,), width, torch.float32)


def wide_parts(kind: str) -> Parts:
    generator = torch.Generator().manual_seed(4)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.1

    if kind == "loha":
        pairs = {f"hada_w{n}_a": draw(6, 2) for n in (1, 2)}
        return {**pairs, **{f"hada_w{n}_b": draw(2, 256) * 9 for n in (1, 2)}}
    parts = {"up": draw(6, 2) * 3, "down": draw(2, 256), "alpha": torch.tensor(1.0)}
    return {**parts, "dora_scale": draw(6).abs()} if kind == "dora" else parts


def linear(weight: Tensor) -> nn.Linear:
    with torch.device("meta"):
        layer = nn.Linear(weight.shape[1], len(weight), bias=False)
    layer.load_state_dict({"weight": weight}, assign=True)
    return layer.requires_grad_(False)
