import pytest
import torch
from torch import Tensor

from webui.diffusion.noise import ImageNoise, Source, paste_centred, slerp
from webui.diffusion.philox import Philox

SHAPE = (4, 8, 6)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("source", ["cpu", "nv"])
def test_a_batch_equals_its_images_alone_to_the_bit(source: Source) -> None:
    seeds, subseeds = [7, 8, 1234567890123], [1, 2, 3]

    def noises(chosen: slice) -> list[Tensor]:
        noise = ImageNoise(seeds[chosen], SHAPE, subseeds[chosen], 0.3, (10, 5), 5, source)
        path = noise.brownian(0.03, 14.6)
        increment = path(torch.tensor(5.0), torch.tensor(2.0))
        return [noise.initial(), noise.step(), noise.step(), increment]

    singles = [noises(slice(i, i + 1)) for i in range(3)]
    for together, *apart in zip(noises(slice(0, 3)), *singles, strict=True):
        assert torch.equal(together, torch.cat(apart))


def test_the_first_draw_is_the_initial_noise_and_later_draws_the_steps() -> None:
    generator = torch.Generator().manual_seed(5)
    noise = ImageNoise([5], SHAPE)
    for ours in (noise.initial(), noise.step(), noise.step()):
        assert torch.equal(ours[0], torch.randn(SHAPE, generator=generator))


@pytest.mark.parametrize("source", ["cpu", "nv"])
@pytest.mark.parametrize("delta", [31337, -9])
def test_a_step_delta_leaves_the_initial_noise_and_reseeds_the_steps(
    source: Source, delta: int
) -> None:
    plain, moved = (ImageNoise([5], SHAPE, step_delta=d, source=source) for d in (0, delta))
    assert torch.equal(plain.initial(), moved.initial())
    other = ImageNoise([5 + delta], SHAPE, source=source)
    # the first number of the moved generator: its stream has lost none to the initial noise
    assert torch.equal(moved.step(), other.step())
    assert not torch.equal(plain.step(), moved.step())


def test_philox_draws_what_an_nvidia_card_draws() -> None:
    expected = [-0.92466259, -0.42534415, -2.6438457, 0.14518388]
    philox = Philox(0)
    assert philox.randn(4).tolist() == pytest.approx(expected, rel=1e-7)
    assert torch.equal(Philox(0).randn(1, 2, 2).flatten(), Philox(0).randn(4))
    assert not torch.equal(philox.randn(4), Philox(0).randn(4))


def test_philox_takes_seeds_of_64_bits() -> None:
    low = 123456789
    assert not torch.equal(Philox(low).randn(8), Philox(low + 2**32).randn(8))
    large = Philox(2**63 + 5).randn(20000)
    assert large.isfinite().all()
    assert large.std().item() == pytest.approx(1, abs=0.02)


def test_a_variation_turns_from_seed_to_subseed() -> None:
    ends = [ImageNoise([3], SHAPE, [9], s).initial()[0] for s in (0.0, 1.0)]
    assert torch.equal(ends[0], drawn(3, *SHAPE))
    assert torch.allclose(ends[1], drawn(9, *SHAPE), atol=1e-6)
    half = ImageNoise([3], SHAPE, [9], 0.5).initial()[0]
    assert torch.allclose(half, slerp(0.5, *map(drawn_as_image, (3, 9))))


def drawn_as_image(seed: int) -> Tensor:
    return drawn(seed, *SHAPE)


def test_slerp_takes_its_angles_along_the_height() -> None:
    low, high = torch.zeros(2, 1, 2, 1)
    low[0, 0, 0] = high[0, 1, 0] = 2.0
    middle = slerp(0.5, low, high)
    assert middle.flatten().tolist() == pytest.approx([2**0.5, 2**0.5])


def test_slerp_of_parallel_noise_blends_the_other_way_round() -> None:
    low = torch.ones(1, 3, 2)
    assert torch.allclose(slerp(0.25, low, low * 3), low * (0.25 + 3 * 0.75))


def test_missing_subseeds_count_as_zero() -> None:
    short = ImageNoise([1, 2], SHAPE, [5], 0.5).initial()
    assert torch.equal(short, ImageNoise([1, 2], SHAPE, [5, 0], 0.5).initial())


@pytest.mark.parametrize("size", [(6, 4), (12, 10), (6, 10), (11, 9), (5, 3)])
def test_seed_resize_lays_fresh_noise_in_the_centre(size: tuple[int, int]) -> None:
    noise = ImageNoise([3], SHAPE, seed_resize_from=size).initial()[0]
    source, border = drawn(3, 4, *size), drawn(3, *SHAPE)
    assert torch.equal(noise, paste_centred(source, border))
    assert not torch.equal(noise, border)


def test_pasting_floors_its_halves() -> None:
    target, source = torch.zeros(1, 4, 4), torch.arange(1.0, 8).repeat(1, 4, 1)  # 7 into 4
    row = paste_centred(source, target)[0, 0].tolist()
    assert row == [3, 4, 5, 0]
    assert paste_centred(torch.ones(1, 4, 1), target)[0, 0].tolist() == [0, 1, 0, 0]


def test_seed_resize_from_the_same_size_changes_nothing() -> None:
    assert torch.equal(ImageNoise([3], SHAPE, seed_resize_from=(8, 6)).initial()[0],
                       drawn(3, *SHAPE))  # fmt: skip


def test_brownian_increments_of_halves_add_up() -> None:
    path = ImageNoise([3], SHAPE).brownian(0.03, 14.6)
    high, middle, low = map(torch.tensor, (9.0, 4.0, 1.0))
    whole = path(high, low) * 8**0.5
    parts = path(high, middle) * 5**0.5 + path(middle, low) * 3**0.5
    assert torch.allclose(whole, parts, atol=1e-5)


def test_brownian_increments_have_unit_variance_and_do_not_depend_on_order() -> None:
    shape = (4, 32, 32)
    first = ImageNoise([3], shape).brownian(0.03, 14.6)
    second = ImageNoise([3], shape).brownian(0.03, 14.6)
    a, b, c = map(torch.tensor, (9.0, 4.0, 1.0))
    early, late = first(a, b), first(b, c)
    assert torch.allclose(late, second(b, c), atol=1e-5)
    assert torch.allclose(early, second(a, b), atol=1e-5)
    assert early.std().item() == pytest.approx(1, abs=0.05)


def test_noise_comes_in_the_dtype_asked_for() -> None:
    noise = ImageNoise([1], SHAPE, dtype=torch.float16)
    assert noise.initial().dtype == torch.float16


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ValueError, match="dice"):
        ImageNoise([1], SHAPE, source="dice")  # pyright: ignore[reportArgumentType]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card")
@pytest.mark.parametrize("seed", [0, 1234, 2**32 - 1])
def test_philox_equals_the_generator_of_the_card_at_hand(seed: int) -> None:
    philox, card = Philox(seed), torch.Generator("cuda").manual_seed(seed)
    for _draw in range(3):
        theirs = torch.randn(4, 64, 64, generator=card, device="cuda").cpu()
        assert torch.allclose(philox.randn(4, 64, 64), theirs, atol=1e-5)
