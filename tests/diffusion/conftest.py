"""What several tests of the diffusion core lean on."""

from collections.abc import Iterator

import pytest
import torch

from tests.diffusion.fakes import Counted, Silence
from webui.diffusion.prediction import DiscretePrediction
from webui.diffusion.samplers import Sampler, builtin_samplers
from webui.diffusion.schedules import Schedule, builtin_schedules


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def sd() -> DiscretePrediction:
    """The noise table of Stable Diffusion 1.x."""
    return DiscretePrediction.scaled_linear()


@pytest.fixture(scope="session")
def samplers() -> dict[str, Sampler]:
    return {sampler.name: sampler for sampler in builtin_samplers()}


@pytest.fixture(scope="session")
def schedules() -> dict[str, Schedule]:
    return {schedule.name: schedule for schedule in builtin_schedules()}


@pytest.fixture
def silence() -> Silence:
    return Silence()


@pytest.fixture
def counted() -> Counted:
    """Always estimates half of x."""
    return Counted(lambda x, sigma: x * 0.5)
