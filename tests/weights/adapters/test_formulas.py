"""Each kind of adapter against the dense computation written out in loops and plain products."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from webui.weights.adapters.formulas import Misfit, Parts, bias_change, find_formula, weight_change

LINEAR = torch.Size((6, 4))
POINT = torch.Size((6, 4, 1, 1))
SQUARE = torch.Size((6, 4, 3, 3))
DTYPE = torch.float32


@pytest.fixture
def draw() -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(5)
    return lambda *shape: torch.randn(shape, generator=generator)


def change(parts: Parts, weight: Tensor, dyn: int | None = None) -> Tensor:
    formula = find_formula(parts)
    assert formula is not None
    assert formula.words >= parts.keys()
    return weight_change(formula, parts, weight, dyn)


def low_rank_by_hand(up: Tensor, down: Tensor, shape: torch.Size) -> Tensor:
    made = torch.zeros(shape[0], down[0].numel())
    for r in range(down.shape[0]):
        made += torch.outer(up[:, r].flatten(), down[r].flatten())
    return made.reshape(shape)


@pytest.mark.parametrize("shape", [LINEAR, POINT, SQUARE])
def test_lora_is_up_times_down_times_alpha_over_rank(
    draw: Callable[..., Tensor], shape: torch.Size
) -> None:
    up, down = draw(6, 2, *([1] * (len(shape) - 2))), draw(2, *shape[1:])
    expected = low_rank_by_hand(up, down, shape)
    weight = draw(*shape)
    torch.testing.assert_close(change({"up": up, "down": down}, weight), expected)
    scaled = change({"up": up, "down": down, "alpha": torch.tensor(3.0)}, weight)
    torch.testing.assert_close(scaled, expected * 1.5)


def test_a_lora_of_matrices_fits_a_convolution_of_one_by_one(draw: Callable[..., Tensor]) -> None:
    up, down = draw(6, 2), draw(2, 4)
    made = change({"up": up, "down": down}, draw(*POINT))
    torch.testing.assert_close(made, low_rank_by_hand(up, down, POINT))


def test_a_rank_limit_keeps_the_first_ranks_at_the_scale_of_the_whole(
    draw: Callable[..., Tensor],
) -> None:
    parts = {"up": draw(6, 4), "down": draw(4, 4), "alpha": torch.tensor(2.0)}
    made = change(parts, draw(*LINEAR), dyn=2)
    first = low_rank_by_hand(parts["up"][:, :2], parts["down"][:2], LINEAR)
    torch.testing.assert_close(made, first * 0.5)
    whole = change(parts, draw(*LINEAR))
    assert torch.equal(change(parts, draw(*LINEAR), dyn=99), whole)
    assert not change(parts, draw(*LINEAR), dyn=0).any()


def test_a_tucker_core_lies_between_up_and_down(draw: Callable[..., Tensor]) -> None:
    up, core, down = draw(6, 2, 1, 1), draw(2, 2, 3, 3), draw(2, 4, 1, 1)
    made = change({"up": up, "mid": core, "down": down}, draw(*SQUARE))
    picture = draw(1, 4, 8, 8)
    conv = torch.nn.functional.conv2d
    expected = conv(conv(conv(picture, down), core), up)
    torch.testing.assert_close(conv(picture, made), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [LINEAR, SQUARE])
def test_loha_multiplies_two_low_rank_products(
    draw: Callable[..., Tensor], shape: torch.Size
) -> None:
    wide = shape[1:].numel()
    one, two = (draw(6, 2), draw(2, wide)), (draw(6, 2), draw(2, wide))
    parts = {"hada_w1_a": one[0], "hada_w1_b": one[1], "hada_w2_a": two[0], "hada_w2_b": two[1]}
    expected = low_rank_by_hand(*one, shape) * low_rank_by_hand(*two, shape)
    torch.testing.assert_close(change(parts, draw(*shape)), expected)
    halved = change({**parts, "alpha": torch.tensor(1.0)}, draw(*shape))
    torch.testing.assert_close(halved, expected / 2)


def test_loha_with_cores(draw: Callable[..., Tensor]) -> None:
    parts = {f"hada_t{n}": draw(2, 2, 3, 3) for n in (1, 2)}
    parts |= {f"hada_w{n}_a": draw(2, 6) for n in (1, 2)}
    parts |= {f"hada_w{n}_b": draw(2, 4) for n in (1, 2)}
    sides = [torch.zeros(SQUARE) for _ in range(2)]
    for side, n in zip(sides, (1, 2), strict=True):
        for p in range(2):
            for q in range(2):
                a, b = parts[f"hada_w{n}_a"][p], parts[f"hada_w{n}_b"][q]
                side += torch.outer(a, b)[:, :, None, None] * parts[f"hada_t{n}"][p, q]
    torch.testing.assert_close(change(parts, draw(*SQUARE)), sides[0] * sides[1])


def kronecker_by_hand(small: Tensor, large: Tensor, shape: torch.Size) -> Tensor:
    made = torch.zeros(shape)
    rows, columns = large.shape[:2]
    for i in range(small.shape[0]):
        for j in range(small.shape[1]):
            block = small[i, j] * large
            made[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns] = block
    return made


def test_lokr_is_a_kronecker_product(draw: Callable[..., Tensor]) -> None:
    small, large = draw(2, 2), draw(3, 2)
    whole = change({"lokr_w1": small, "lokr_w2": large, "alpha": torch.tensor(9.0)}, draw(6, 4))
    torch.testing.assert_close(whole, kronecker_by_hand(small, large, LINEAR))  # no rank, no scale
    a, b = draw(3, 2), draw(2, 2)
    split = {"lokr_w1": small, "lokr_w2_a": a, "lokr_w2_b": b, "alpha": torch.tensor(1.0)}
    expected = kronecker_by_hand(small, a @ b, LINEAR) / 2
    torch.testing.assert_close(change(split, draw(6, 4)), expected)


def test_lokr_for_convolutions_split_whole_and_with_a_core(draw: Callable[..., Tensor]) -> None:
    small = draw(2, 2)
    large = draw(3, 2, 3, 3)
    expected = kronecker_by_hand(small, large, SQUARE)
    torch.testing.assert_close(
        change({"lokr_w1": small, "lokr_w2": large}, draw(*SQUARE)), expected
    )
    a, b = draw(3, 2), draw(2, 2 * 9)
    made = change({"lokr_w1": small, "lokr_w2_a": a, "lokr_w2_b": b}, draw(*SQUARE))
    expected = kronecker_by_hand(small, (a @ b).reshape(3, 2, 3, 3), SQUARE)
    torch.testing.assert_close(made, expected)
    core, a, b = draw(2, 2, 3, 3), draw(2, 3), draw(2, 2)
    parts = {"lokr_w1": small, "lokr_t2": core, "lokr_w2_a": a, "lokr_w2_b": b}
    joined = torch.einsum("pqkl,po,qi->oikl", core, a, b)
    expected = kronecker_by_hand(small, joined, SQUARE)
    torch.testing.assert_close(change(parts, draw(*SQUARE)), expected)


@pytest.mark.parametrize("shape", [LINEAR, SQUARE])
@pytest.mark.parametrize("by", ["columns", "rows", "peft"])
def test_dora_keeps_a_direction_and_gives_a_magnitude(
    draw: Callable[..., Tensor], shape: torch.Size, by: str
) -> None:
    up, down, weight = draw(6, 2), draw(2, shape[1:].numel()), draw(*shape)
    ones = [1] * (len(shape) - 2)
    size = {"columns": (1, 4, *ones), "rows": (6, 1, *ones), "peft": (6,)}[by]
    magnitude = draw(*size).abs() + 0.5
    word = "magnitude" if by == "peft" else "dora_scale"
    made = weight + change({"up": up, "down": down, word: magnitude}, weight)
    merged = weight + low_rank_by_hand(up, down, shape)
    expected = torch.empty(shape)
    for n, size in enumerate(magnitude.flatten()):
        place = (slice(None), n) if by == "columns" else (n,)
        expected[place] = merged[place] / merged[place].norm() * size
    torch.testing.assert_close(made, expected)


def test_full_and_norm_differences_are_taken_as_they_are(draw: Callable[..., Tensor]) -> None:
    whole, bias = draw(*SQUARE), draw(6)
    assert torch.equal(change({"diff": whole}, draw(*SQUARE)), whole)
    assert torch.equal(change({"w_norm": bias}, draw(6)), bias)
    for word in ("diff_b", "b_norm"):
        made = bias_change({word: bias}, draw(6))
        assert made is not None
        assert torch.equal(made, bias)
    assert bias_change({"diff": whole}, draw(6)) is None


def test_ia3_rescales_rows_or_columns(draw: Callable[..., Tensor]) -> None:
    weight, rows, columns = draw(6, 4), draw(6), draw(4)
    torch.testing.assert_close(change({"ia3": rows}, weight), torch.diag(rows) @ weight)
    made = change({"ia3": columns, "on_input": torch.tensor(True)}, weight)
    torch.testing.assert_close(made, weight @ torch.diag(columns))
    square = draw(*SQUARE)
    torch.testing.assert_close(change({"ia3": rows}, square), rows[:, None, None, None] * square)


@pytest.mark.parametrize("shape", [LINEAR, POINT])
def test_glora_multiplies_the_weight_and_adds(
    draw: Callable[..., Tensor], shape: torch.Size
) -> None:
    weight = draw(*shape)
    parts = {"a1": draw(2, 4), "a2": draw(4, 2), "b1": draw(2, 4), "b2": draw(6, 2)}
    parts["alpha"] = torch.tensor(1.0)
    seen = draw(4)
    made = (weight + change(parts, weight)).flatten(1) @ seen
    turned = parts["a2"] @ (parts["a1"] @ seen)
    added = parts["b2"] @ (parts["b1"] @ seen)
    torch.testing.assert_close(made, weight.flatten(1) @ (seen + turned / 2) + added / 2)


def cayley(block: Tensor) -> Tensor:
    skew, one = block - block.T, torch.eye(len(block))
    return (one + skew) @ torch.linalg.inv(one - skew)


@pytest.mark.parametrize("shape", [LINEAR, SQUARE])
def test_oft_turns_the_rows_of_each_block(draw: Callable[..., Tensor], shape: torch.Size) -> None:
    weight, blocks = draw(*shape), draw(2, 3, 3) * 0.2
    rotations = [cayley(block) for block in blocks]
    expected = torch.block_diag(*rotations).T @ weight.flatten(1)
    made = weight + change({"oft_blocks": blocks}, weight)
    torch.testing.assert_close(made.flatten(1), expected)
    torch.testing.assert_close(made.norm(), weight.norm())
    told = weight + change({"oft_diag": torch.stack(rotations)}, weight)
    torch.testing.assert_close(told, made)
    scaled = weight + change({"oft_blocks": blocks, "rescale": torch.full((6, 1), 2.0)}, weight)
    torch.testing.assert_close(scaled, made * 2)


def test_oft_turns_no_further_than_its_limit(draw: Callable[..., Tensor]) -> None:
    weight, blocks = draw(*LINEAR), draw(2, 3, 3)
    length = (blocks - blocks.mT).norm()
    limited = change({"oft_blocks": blocks, "alpha": length / 2 / 6}, weight)
    torch.testing.assert_close(limited, change({"oft_blocks": blocks / 2}, weight))
    free = change({"oft_blocks": blocks, "alpha": length}, weight)
    assert torch.equal(free, change({"oft_blocks": blocks}, weight))


def test_boft_turns_rows_that_lie_further_and_further_apart(draw: Callable[..., Tensor]) -> None:
    weight, factors = draw(8, 3), draw(2, 4, 2, 2) * 0.3
    expected = weight
    for number, blocks in enumerate(factors):
        apart = 2**number
        # Of each stretch of twice that many rows, the two halves are interleaved.
        order = [
            start + half * apart + inner
            for start in range(0, 8, 2 * apart)
            for inner in range(apart)
            for half in range(2)
        ]
        mixed = torch.block_diag(*(cayley(block) for block in blocks)) @ expected[order]
        expected = torch.empty_like(weight)
        expected[order] = mixed
    torch.testing.assert_close(weight + change({"oft_blocks": factors}, weight), expected)


def test_a_replacement_takes_the_weights_place(draw: Callable[..., Tensor]) -> None:
    weight, other = draw(*SQUARE), draw(*SQUARE)
    torch.testing.assert_close(weight + change({"set_weight": other}, weight), other)


@pytest.mark.parametrize(
    "parts",
    [
        {"oft_blocks": torch.ones(2, 2, 2)},
        {"set_weight": torch.ones(7, 4)},
        {"up": torch.ones(6, 2), "down": torch.ones(2, 5)},
        {"up": torch.ones(6, 2), "down": torch.ones(3, 4)},
        {"diff": torch.ones(7)},
        {"ia3": torch.ones(5)},
        {"lokr_w1_a": torch.ones(2, 2), "lokr_w2": torch.ones(3, 2)},
        {"up": torch.ones(6, 2), "down": torch.ones(2, 4), "dora_scale": torch.ones(1, 9)},
        {"up": torch.ones(6, 2), "down": torch.ones(2, 4), "alpha": torch.ones(2)},
    ],
)
def test_what_does_not_fit_the_layer_is_a_misfit(parts: Parts) -> None:
    with pytest.raises(Misfit):
        change(parts, torch.ones(6, 4))


def test_halves_of_a_kind_have_no_formula() -> None:
    assert find_formula({"up": torch.ones(2, 2), "alpha": torch.ones(1)}) is None
    assert find_formula({"hada_w1_a": torch.ones(2, 2)}) is None
    assert find_formula({"diff_b": torch.ones(2)}) is None
