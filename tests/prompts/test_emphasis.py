"""Weights on the text encoder's outputs."""

import pytest
import torch

from webui.prompts.emphasis import emphasised

WEIGHTS = [1.0] * 5 + [1.5] * 3 + [1.0] * 69
EVEN = [1.0] * 77


def outputs(seed: int, mean: float = -0.5) -> torch.Tensor:
    return torch.randn(1, 77, 32, generator=torch.Generator().manual_seed(seed)) + mean


def test_a_weight_scales_its_words_and_leaves_the_mean() -> None:
    before = outputs(0)
    (after,) = emphasised([before], [WEIGHTS])
    assert float(after.mean()) == pytest.approx(float(before.mean()), rel=1e-5)
    ratio = after / before
    assert torch.allclose(ratio[:, 5:8] / ratio[:, :1], torch.tensor(1.5), atol=1e-4)


def test_without_restoring_weights_only_multiply() -> None:
    before = outputs(0)
    (after,) = emphasised([before], [WEIGHTS], restore=False)
    assert torch.equal(after[:, :5], before[:, :5])
    assert torch.equal(after[:, 5:8], before[:, 5:8] * 1.5)


def test_where_the_mean_is_nothing_weights_only_multiply() -> None:
    before = outputs(0)
    before -= before.mean()
    (after,) = emphasised([before], [WEIGHTS])
    assert torch.equal(after[:, :5], before[:, :5])
    assert torch.equal(after[:, 5:8], before[:, 5:8] * 1.5)


def test_weights_of_one_change_no_bit() -> None:
    before = outputs(0)
    (after,) = emphasised([before], [EVEN])
    assert after is before


def test_the_mean_of_all_counts_each_as_often_as_it_is_said() -> None:
    one, two = outputs(0), outputs(1, mean=-1.0)
    first, second = emphasised([one, two], [WEIGHTS, EVEN], [3, 1])
    batch = torch.cat([one, one, one, two])
    factors = torch.tensor([WEIGHTS, WEIGHTS, WEIGHTS, EVEN])[:, :, None]
    weighed = batch * factors
    weighed = weighed * (batch.mean() / weighed.mean())
    assert torch.allclose(first, weighed[:1], atol=1e-6)
    assert torch.allclose(second, weighed[3:], atol=1e-6)
