from dataclasses import replace

import pytest
import torch
from torch import Tensor

from webui.diffusion.conditioning import (
    Conditioning,
    ConditioningBatch,
    Padding,
    Part,
    Segment,
    Timeline,
    pad_by_repeating,
    pad_with,
)
from webui.diffusion.denoiser import Guided, Residuals
from webui.diffusion.guidance import Estimates
from webui.diffusion.prediction import DiscretePrediction

SIGMA = torch.tensor(2.0)


class Toy:
    """A network whose noise is the mean of its context, and which counts its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, Tensor, ConditioningBatch]] = []

    def __call__(
        self,
        x_in: Tensor,
        timestep: Tensor,
        batch: ConditioningBatch,
        residuals: Residuals | None = None,
    ) -> Tensor:
        self.calls.append((x_in, timestep, batch))
        noise = x_in * 0.1 + batch.context.mean((1, 2)).view(-1, 1, 1, 1)
        return noise if residuals is None else noise + residuals.mid[0]


def told(value: float, tokens: int = 77, weight: float = 1.0) -> Conditioning:
    return Conditioning(torch.full((1, tokens, 8), float(value)), weight=weight)


def alone(sd: DiscretePrediction, x: Tensor, value: float) -> Tensor:
    return Guided(Toy(), sd, [told(value)])(x, SIGMA)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 4, 8, 8) * 2


def test_at_scale_7_prompt_and_negative_share_one_call(sd: DiscretePrediction, x: Tensor) -> None:
    network = Toy()
    guided = Guided(network, sd, [told(1)], [told(-1)], cfg_scale=7)(x, SIGMA)
    cond, uncond = alone(sd, x, 1), alone(sd, x, -1)
    assert torch.allclose(guided, uncond + 7 * (cond - uncond), atol=1e-5)
    [(x_in, timestep, batch)] = network.calls
    assert x_in.shape == (4, 4, 8, 8)
    assert torch.equal(timestep, sd.timestep(SIGMA).expand(4))
    assert batch.positive == (True, True, False, False)
    assert batch.images == (0, 1, 0, 1)


def test_at_scale_1_the_negative_prompt_is_not_computed(sd: DiscretePrediction, x: Tensor) -> None:
    network = Toy()
    guided = Guided(network, sd, [told(1)], [told(-1)], cfg_scale=1)(x, SIGMA)
    assert torch.equal(guided, alone(sd, x, 1))
    assert [call[0].shape[0] for call in network.calls] == [2]


def test_each_image_can_have_its_own_prompt(sd: DiscretePrediction, x: Tensor) -> None:
    guided = Guided(Toy(), sd, [told(1), told(3)], [told(0)], cfg_scale=4)(x, SIGMA)
    for i, value in enumerate((1, 3)):
        single = Guided(Toy(), sd, [told(value)], [told(0)], cfg_scale=4)(x[i : i + 1], SIGMA)
        assert torch.equal(guided[i : i + 1], single)


def test_prompts_of_unequal_length_run_as_calls_of_their_own(
    sd: DiscretePrediction, x: Tensor
) -> None:
    network = Toy()
    guided = Guided(network, sd, [told(1, 154)], [told(-1)], cfg_scale=7)(x, SIGMA)
    same_length = Guided(Toy(), sd, [told(1)], [told(-1)], cfg_scale=7)(x, SIGMA)
    assert torch.allclose(guided, same_length, atol=1e-5)
    assert [call[2].context.shape[:2] for call in network.calls] == [(2, 154), (2, 77)]


def test_a_composition_pulls_by_weight(sd: DiscretePrediction, x: Tensor) -> None:
    parts = [told(1, weight=0.7), told(2, weight=0.5), told(3, weight=-0.2)]
    guided = Guided(Toy(), sd, [parts], [told(0)], cfg_scale=5)(x, SIGMA)
    uncond = alone(sd, x, 0)
    pulls = sum(p.weight * (alone(sd, x, v) - uncond) for v, p in enumerate(parts, start=1))
    assert torch.allclose(guided, uncond + 5 * pulls, atol=1e-4)


def test_a_composition_needs_the_negative_prompt_even_at_scale_1(
    sd: DiscretePrediction, x: Tensor
) -> None:
    guided = Guided(Toy(), sd, [told(1, weight=0.5)], [told(-1)], cfg_scale=1)(x, SIGMA)
    assert torch.allclose(guided, (alone(sd, x, 1) + alone(sd, x, -1)) / 2, atol=1e-5)


def test_a_timeline_is_read_call_by_call(sd: DiscretePrediction, x: Tensor) -> None:
    edited = Timeline((Part((Segment(1, told(1)), Segment(9, told(2)))),))
    guided = Guided(Toy(), sd, [edited], [told(0)], cfg_scale=4)
    for value in (1, 1, 2):
        constant = Guided(Toy(), sd, [told(value)], [told(0)], cfg_scale=4)(x, SIGMA)
        assert torch.equal(guided(x, SIGMA), constant)
    assert guided.calls == 3
    late = Guided(Toy(), sd, [edited], [told(0)], cfg_scale=4, first_call=2)(x, SIGMA)
    assert torch.equal(late, constant)


def test_the_longest_part_of_a_composition_sets_the_length_of_all(
    sd: DiscretePrediction, x: Tensor
) -> None:
    network = Toy()
    parts = Timeline((Part((Segment(9, told(1, 154)),)), Part((Segment(9, told(2)),))))
    Guided(network, sd, [parts], [told(0)], cfg_scale=4)(x, SIGMA)
    assert [call[2].context.shape[:2] for call in network.calls] == [(4, 154), (2, 77)]


@pytest.mark.parametrize(("padding", "length"), [(pad_with(told(9)), 154), (pad_by_repeating, 77)])
def test_padding_brings_both_sides_into_one_call(
    sd: DiscretePrediction, x: Tensor, padding: Padding, length: int
) -> None:
    network = Toy()
    Guided(network, sd, [told(1)], [told(-1, 154)], cfg_scale=7, padding=padding)(x, SIGMA)
    assert [call[2].context.shape[:2] for call in network.calls] == [(4, length)]


def test_a_skipped_call_has_the_prompt_alone(sd: DiscretePrediction, x: Tensor) -> None:
    network = Toy()
    guided = Guided(
        network, sd, [told(1)], [told(-1)], cfg_scale=7, skip=lambda call, sigma: call == 1
    )
    full, skipped = guided(x, SIGMA), guided(x, SIGMA)
    assert torch.equal(skipped, alone(sd, x, 1))
    assert not torch.equal(full, skipped)
    assert [len(call[0]) for call in network.calls] == [4, 2]


def test_a_skipped_composition_pulls_from_its_first_part(sd: DiscretePrediction, x: Tensor) -> None:
    parts = [told(1, weight=0.7), told(2, weight=0.5)]
    skipped = Guided(Toy(), sd, [parts], [told(0)], cfg_scale=7, skip=lambda call, sigma: True)
    first, second = alone(sd, x, 1), alone(sd, x, 2)
    assert torch.allclose(skipped(x, SIGMA), first + 0.5 * (second - first), atol=1e-5)


def test_the_negative_estimate_of_the_latest_call_can_be_asked_for(
    sd: DiscretePrediction, x: Tensor
) -> None:
    guided = Guided(Toy(), sd, [told(1)], [told(-1)], cfg_scale=1, both_sides=True)
    with pytest.raises(ValueError, match="no call"):
        guided.latest_uncond()
    assert torch.allclose(guided(x, SIGMA), alone(sd, x, 1), atol=1e-6)
    assert torch.equal(guided.latest_uncond(), alone(sd, x, -1))


def test_a_guidance_given_by_hand_gets_both_sides(sd: DiscretePrediction, x: Tensor) -> None:
    guided = Guided(Toy(), sd, [told(1)], [told(-1)], guidance=lambda e: e.cond - e.uncond)
    assert torch.allclose(guided(x, SIGMA), alone(sd, x, 1) - alone(sd, x, -1), atol=1e-5)


def test_a_guidance_may_ask_either_side_about_another_x(sd: DiscretePrediction, x: Tensor) -> None:
    def swap(estimates: Estimates) -> Tensor:
        return estimates.again(x + 1, True) - estimates.again(x + 2, False)

    guided = Guided(Toy(), sd, [told(1)], [told(-1)], guidance=swap)(x, SIGMA)
    assert torch.allclose(guided, alone(sd, x + 1, 1) - alone(sd, x + 2, -1), atol=1e-5)


def test_residuals_of_all_controls_are_summed(sd: DiscretePrediction, x: Tensor) -> None:
    seen: list[tuple[bool, ...]] = []

    def control(
        x_in: Tensor, sigma: Tensor, timestep: Tensor, batch: ConditioningBatch
    ) -> Residuals:
        seen.append(batch.positive)
        return Residuals(mid=(torch.ones_like(x_in) * 0.25,))

    def idle(x_in: Tensor, sigma: Tensor, timestep: Tensor, batch: ConditioningBatch) -> None: ...

    controlled = Guided(Toy(), sd, [told(1)], controls=[control, idle, control])(x, SIGMA)
    assert torch.allclose(controlled, alone(sd, x, 1) - SIGMA * 0.5, atol=1e-5)
    assert seen == [(True, True)] * 2


def test_the_denoised_estimate_is_float32_whatever_the_network_answers(
    sd: DiscretePrediction, x: Tensor
) -> None:
    toy = Toy()

    def half(x_in: Tensor, timestep: Tensor, batch: ConditioningBatch, r: object = None) -> Tensor:
        return toy(x_in, timestep, batch).half()

    assert Guided(half, sd, [told(1)])(x, SIGMA).dtype == torch.float32


def test_prompts_that_fit_neither_one_image_nor_the_batch_are_refused(
    sd: DiscretePrediction, x: Tensor
) -> None:
    with pytest.raises(ValueError, match="3 prompts do not fit a batch of 2"):
        Guided(Toy(), sd, [told(1)] * 3)(x, SIGMA)


def test_conditionings_of_one_call_must_have_the_same_parts(
    sd: DiscretePrediction, x: Tensor
) -> None:
    pooled = replace(told(1), pooled=torch.zeros(1, 16))
    with pytest.raises(ValueError, match="pooled"):
        Guided(Toy(), sd, [pooled], [told(-1)], cfg_scale=7)(x, SIGMA)


def test_conditioning_moves_whole_but_sizes_stay_exact() -> None:
    sizes = torch.tensor([[1023.0, 1025, 0, 0, 2049, 4095]])
    moved = Conditioning(torch.zeros(1, 77, 8), torch.zeros(1, 16), sizes, torch.tensor([3.5])).to(
        dtype=torch.bfloat16
    )
    assert moved.context.dtype == torch.bfloat16
    assert moved.pooled is not None and moved.pooled.dtype == torch.bfloat16
    assert moved.size_ids is not None and torch.equal(moved.size_ids, sizes)
