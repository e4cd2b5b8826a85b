"""What one image is told over the calls of the network."""

import pytest
import torch

from webui.diffusion.conditioning import (
    Conditioning,
    Part,
    Segment,
    Timeline,
    pad_by_repeating,
    pad_with,
)


def told(value: float, tokens: int = 77) -> Conditioning:
    return Conditioning(torch.full((1, tokens, 8), float(value)))


def values(timeline: Timeline, calls: int) -> list[list[float]]:
    return [[float(one.context[0, 0, 0]) for one in timeline.at(call)] for call in range(calls)]


def edited() -> Part:
    return Part((Segment(2, told(1)), Segment(5, told(2))))


def test_a_constant_prompt_is_told_at_every_call() -> None:
    same = told(3)
    timeline = Timeline.constant(same)
    assert all(timeline.at(call) == (same,) for call in (0, 1, 1000))
    assert not timeline.changes


def test_a_segment_serves_its_last_call_too() -> None:
    timeline = Timeline((edited(),))
    assert values(timeline, 6) == [[1], [1], [1], [2], [2], [2]]
    assert timeline.changes


def test_calls_beyond_the_last_segment_begin_again_as_in_the_older_ui() -> None:
    assert values(Timeline((edited(),)), 9)[6:] == [[1], [1], [1]]


def test_parts_carry_their_weights() -> None:
    timeline = Timeline((edited(), Part((Segment(5, told(7)),), -0.5)))
    assert [one.weight for one in timeline.at(0)] == [1.0, -0.5]
    assert values(timeline, 4)[3] == [2, 7]


def test_parts_of_unequal_length_repeat_their_last_vector() -> None:
    long = Conditioning(torch.arange(154 * 8.0).view(1, 154, 8))
    short = Conditioning(torch.arange(77 * 8.0).view(1, 77, 8))
    one, two = Timeline((Part((Segment(9, short),)), Part((Segment(9, long),)))).at(0)
    assert two.context is long.context
    assert one.context.shape == (1, 154, 8)
    assert torch.equal(one.context[:, :77], short.context)
    assert torch.equal(one.context[:, 77:], short.context[:, -1:].expand(1, 77, 8))


def test_a_timeline_without_segments_is_refused() -> None:
    with pytest.raises(ValueError, match="segment"):
        Part(())
    with pytest.raises(ValueError, match="part"):
        Timeline(())


@pytest.mark.parametrize(("cond", "uncond"), [(77, 154), (154, 77), (77, 77)])
def test_the_shorter_side_is_padded_with_empty_prompts(cond: int, uncond: int) -> None:
    empty = told(0)
    (left,), (right,) = pad_with(empty)((told(1, cond),), (told(2, uncond),))
    longest = max(cond, uncond)
    assert left.context.shape == right.context.shape == (1, longest, 8)
    assert left.context[0, :, 0].tolist() == [1] * cond + [0] * (longest - cond)
    assert right.context[0, :, 0].tolist() == [2] * uncond + [0] * (longest - uncond)


@pytest.mark.parametrize(("cond", "uncond"), [(77, 154), (154, 77), (77, 77)])
def test_the_older_rule_repeats_or_cuts_the_negative_prompt(cond: int, uncond: int) -> None:
    (left,), (right,) = pad_by_repeating((told(1, cond),), (told(2, uncond),))
    assert left.context.shape == right.context.shape == (1, cond, 8)
    assert right.context[0, :, 0].tolist() == [2] * cond


def test_a_timeline_moves_as_a_whole() -> None:
    moved = Timeline((edited(),)).to(dtype=torch.float64)
    assert {one.context.dtype for call in range(6) for one in moved.at(call)} == {torch.float64}
