import pytest
import torch
from torch import Tensor

from tests.diffusion.fakes import Counted, Silence
from webui.diffusion.layers import Interrupted, Watched
from webui.diffusion.prediction import DiscretePrediction
from webui.diffusion.samplers import Sampler, SamplerOptions
from webui.diffusion.schedules import Schedule, make_sigmas
from webui.errors import NumericalError

X = torch.randn(1, 4, 8, 8)
SIGMAS = torch.tensor([10.0, 5.0, 2.0, 1.0, 0.0])


class Stage:
    """A listener that asks to end after a number of reports."""

    def __init__(self, mode: str | None = None, after: int = 0) -> None:
        self.mode = mode
        self.after = after
        self.reports: list[tuple[float, Tensor, float]] = []

    def report(self, fraction: float, denoised: Tensor, sigma: float) -> None:
        self.reports.append((fraction, denoised, sigma))

    def check(self) -> str | None:
        return self.mode if len(self.reports) >= self.after else None


def run(stage: Stage, sampler: Sampler, counted: Counted, silence: Silence) -> Tensor:
    watched = Watched(counted, stage.report, stage.check, SIGMAS)
    return sampler.sample(watched, X, SIGMAS, silence, SamplerOptions())


@pytest.mark.parametrize("mode", ["stop", "cancel"])
@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp_2m"])
def test_a_stop_acts_before_the_next_call_and_carries_the_last_estimate(
    samplers: dict[str, Sampler], counted: Counted, silence: Silence, mode: str, name: str
) -> None:
    stage = Stage(mode, after=2)
    with pytest.raises(Interrupted) as caught:
        run(stage, samplers[name], counted, silence)
    assert len(counted.sigmas) == 2
    assert caught.value.mode == mode
    assert caught.value.denoised is stage.reports[-1][1]


def test_a_stop_before_the_first_call_waits_for_an_estimate_but_a_cancel_does_not(
    samplers: dict[str, Sampler], counted: Counted, silence: Silence
) -> None:
    with pytest.raises(Interrupted) as stopped:
        run(Stage("stop"), samplers["euler"], counted, silence)
    assert stopped.value.denoised is not None
    with pytest.raises(Interrupted) as cancelled:
        run(Stage("cancel"), samplers["euler"], counted, silence)
    assert cancelled.value.denoised is None
    assert len(counted.sigmas) == 1


@pytest.mark.parametrize(
    ("name", "fractions"),
    [
        ("euler", [0.25, 0.5, 0.75, 1.0]),
        ("heun", [0.25, 0.5, 0.5, 0.75, 0.75, 1.0, 1.0]),
        ("dpmpp_sde", [0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0]),
    ],
)
def test_the_fraction_follows_the_noise_level(
    samplers: dict[str, Sampler],
    counted: Counted,
    silence: Silence,
    name: str,
    fractions: list[float],
) -> None:
    stage = Stage()
    run(stage, samplers[name], counted, silence)
    assert [report[0] for report in stage.reports] == fractions
    assert [report[2] for report in stage.reports] == counted.sigmas


def test_watching_changes_nothing(
    samplers: dict[str, Sampler], counted: Counted, silence: Silence
) -> None:
    unwatched = samplers["euler"].sample(counted, X, SIGMAS, silence, SamplerOptions())
    assert torch.equal(run(Stage(), samplers["euler"], counted, silence), unwatched)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_broken_numbers_end_the_pass_and_name_the_stage(poison: float) -> None:
    stage = Stage()
    watched = Watched(lambda x, sigma: x * poison, stage.report, stage.check, SIGMAS)
    with pytest.raises(NumericalError, match="sampling at sigma 5") as caught:
        watched(X, torch.tensor(5.0))
    assert caught.value.stage == "sampling at sigma 5"
    assert stage.reports == []


def test_the_last_step_of_ddim_is_a_whole(
    sd: DiscretePrediction,
    samplers: dict[str, Sampler],
    schedules: dict[str, Schedule],
    counted: Counted,
    silence: Silence,
) -> None:
    sigmas = make_sigmas(samplers["ddim"], schedules["automatic"], 5, sd)
    stage = Stage()
    watched = Watched(counted, stage.report, stage.check, sigmas)
    samplers["ddim"].sample(watched, X, sigmas, silence, SamplerOptions())
    assert [report[0] for report in stage.reports] == [0.25, 0.5, 0.75, 1.0]
