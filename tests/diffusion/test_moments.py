"""Which calls do without the negative prompt, and when a refiner takes over."""

import pytest
import torch

from tests.diffusion.fakes import Counted
from webui.diffusion.layers import Switched
from webui.diffusion.moments import refiner_is_due, skipped_negative
from webui.diffusion.prediction import DiscretePrediction

SIGMAS = [torch.tensor(level) for level in (14.0, 5.0, 3.0, 1.0, 0.5, 0.1)]


def skips(below: float = 0.0, every: bool = False, until: float = 0.0) -> list[int]:
    rule = skipped_negative(below, every, until, len(SIGMAS))
    assert rule is not None
    return [call for call, sigma in enumerate(SIGMAS) if rule(call, sigma)]


def test_without_thresholds_there_is_no_rule() -> None:
    assert skipped_negative(0.0, True, 0.0, 10) is None


def test_below_the_level_every_second_call_is_skipped_or_every_one() -> None:
    assert skips(below=4.0) == [3, 5]
    assert skips(below=4.0, every=True) == [2, 3, 4, 5]


def test_the_first_share_of_the_run_is_skipped_its_end_included() -> None:
    assert skips(until=0.5) == [0, 1, 2, 3]
    assert skips(until=0.01) == [0]
    assert skips(below=0.2, until=0.2) == [0, 1, 5]


def test_timestep_samplers_compare_the_timestep(sd: DiscretePrediction) -> None:
    rule = skipped_negative(4.0, True, 0.0, 6, sd.timestep)
    assert rule is not None
    assert not rule(3, torch.tensor(1.0))
    assert rule(3, sd.sigmas[1])


@pytest.mark.parametrize(("timestep", "due"), [(999, False), (200, False), (199, True), (0, True)])
def test_a_refiner_is_due_by_the_time_of_the_noise_level(
    sd: DiscretePrediction, timestep: int, due: bool
) -> None:
    rule = refiner_is_due(0.8, False, 10, sd)
    assert rule(0, sd.sigmas[timestep]) is due


def test_a_refiner_can_be_due_by_calls(sd: DiscretePrediction) -> None:
    rule = refiner_is_due(0.8, True, 10, sd)
    assert [call for call in range(10) if rule(call, SIGMAS[0])] == [8, 9]


def test_at_one_a_refiner_is_never_due(sd: DiscretePrediction) -> None:
    by_time, by_calls = refiner_is_due(1.0, False, 5, sd), refiner_is_due(1.0, True, 5, sd)
    assert not by_time(4, sd.sigmas[0])
    assert not by_calls(4, sd.sigmas[0])


def test_a_switch_happens_once_and_tells_how_many_calls_came_before() -> None:
    first, second = Counted(lambda x, sigma: x), Counted(lambda x, sigma: x * 2)
    asked: list[int] = []

    def hand_over(calls: int) -> Counted:
        asked.append(calls)
        return second

    switched = Switched(first, hand_over, lambda call, sigma: float(sigma) == 3.0)
    x = torch.ones(1)
    assert [switched(x, sigma).item() for sigma in SIGMAS] == [1, 1, 2, 2, 2, 2]
    assert asked == [2]
    assert first.sigmas == [14.0, 5.0]
