import pytest
import torch
import torchsde
from torch import Tensor

from webui.diffusion.brownian import BrownianTree
from webui.diffusion.noise import ImageNoise
from webui.diffusion.philox import Philox

SHAPE = (4, 8, 8)
LOW, HIGH = 0.0291675, 14.6146


def draw(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", [0, 1234, 2**40 + 5])
def test_with_the_same_draws_the_path_is_torchsdes(seed: int) -> None:
    ours = BrownianTree(LOW, HIGH, seed, draw)
    theirs = torchsde.BrownianTree(LOW, torch.zeros(SHAPE), HIGH, entropy=seed)
    times = [LOW, 0.1, 0.43217, 2.0, 2.0000011, 7.321, HIGH]
    for start in times:
        for end in times:
            if start < end:
                begin, finish = max(start, round(LOW, 6)), min(end, round(HIGH, 6))
                expected = theirs(begin, finish)
                assert torch.allclose(ours(start, end), expected, atol=1e-5)


def test_a_path_does_not_depend_on_what_was_asked_before() -> None:
    fresh, asked = (BrownianTree(LOW, HIGH, 7, draw) for _ in range(2))
    asked(0.2, 9.0)
    asked(1.0, 1.5)
    assert torch.equal(fresh(0.5, 3.0), asked(0.5, 3.0))


def test_gains_add_up_and_have_the_variance_of_their_length() -> None:
    tree = BrownianTree(
        0.0, 8.0, 3, lambda seed: torch.randn(4, 64, 64, generator=torch.manual_seed(seed))
    )
    assert torch.allclose(tree(1, 2) + tree(2, 5), tree(1, 5), atol=1e-6)
    assert tree(2, 5).var().item() == pytest.approx(3, rel=0.05)
    assert (
        torch.corrcoef(torch.stack([tree(1, 2).flatten(), tree(2, 5).flatten()]))[0, 1].abs().item()
        < 0.05
    )


def test_the_nv_source_draws_its_paths_with_philox() -> None:
    sigma, sigma_next = torch.tensor(5.0), torch.tensor(2.0)
    noise = ImageNoise([7], SHAPE, source="nv").brownian(LOW, HIGH)(sigma, sigma_next)
    tree = BrownianTree(LOW, HIGH, 7, lambda seed: Philox(seed).randn(*SHAPE))
    assert torch.equal(noise[0], -tree(2.0, 5.0) / 3**0.5)
    plain = ImageNoise([7], SHAPE, source="cpu").brownian(LOW, HIGH)(sigma, sigma_next)
    assert not torch.allclose(noise, plain)
