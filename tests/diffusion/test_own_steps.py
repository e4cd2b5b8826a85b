"""Samplers that choose levels of their own, or go back to them."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from tests.diffusion.fakes import Counted, Silence, denoise_gaussian
from webui.diffusion.noise import ImageNoise
from webui.diffusion.prediction import DiscretePrediction, FlowPrediction
from webui.diffusion.samplers import Sampler, SamplerOptions, UniPCForm
from webui.diffusion.schedules import Schedule, make_sigmas

Samplers = dict[str, Sampler]
Schedules = dict[str, Schedule]

SHAPE = (4, 8, 8)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(3)) * 14.6


@pytest.mark.parametrize("steps", range(1, 10))
def test_dpm_fast_calls_the_network_once_per_step(
    sd: DiscretePrediction,
    samplers: Samplers,
    schedules: Schedules,
    counted: Counted,
    x: Tensor,
    steps: int,
) -> None:
    sigmas = make_sigmas(samplers["dpm_fast"], schedules["automatic"], steps, sd)
    options = SamplerOptions(model_range=(sd.sigma_min, sd.sigma_max))
    samplers["dpm_fast"].sample(counted, x, sigmas, ImageNoise([1], SHAPE), options)
    assert len(counted.sigmas) == steps


@pytest.mark.parametrize("name", ["dpm_fast", "dpm_adaptive"])
def test_they_walk_through_the_whole_range_of_the_model_or_between_the_ends_of_a_cut(
    samplers: Samplers, silence: Silence, x: Tensor, name: str
) -> None:
    target, sigmas = torch.zeros_like(x), torch.tensor([14.0, 5.0, 2.0, 0.5, 0.0])
    for given, (low, high) in ((None, (0.5, 14.0)), ((0.03, 14.6), (0.03, 14.6))):
        options = SamplerOptions(eta=0.0, model_range=given)
        end = samplers[name].sample(lambda x, sigma: target, x, sigmas, silence, options)
        # Towards a constant estimate x shrinks with sigma.
        assert torch.allclose(end, x * low / high, rtol=1e-4)


@pytest.mark.parametrize("name", ["dpm_fast", "dpm_adaptive"])
def test_their_single_step_of_image_to_image_gives_the_estimate(
    samplers: Samplers, silence: Silence, x: Tensor, name: str
) -> None:
    target, sigmas = torch.ones_like(x), torch.tensor([2.0, 0.0])
    end = samplers[name].sample(lambda x, sigma: target, x, sigmas, silence, SamplerOptions())
    assert torch.equal(end, target)


def test_dpm_adaptive_ignores_the_number_of_steps(
    sd: DiscretePrediction, samplers: Samplers, schedules: Schedules, x: Tensor
) -> None:
    def run(steps: int) -> tuple[Tensor, int]:
        counted = Counted(denoise_gaussian)
        sigmas = make_sigmas(samplers["dpm_adaptive"], schedules["automatic"], steps, sd)
        options = SamplerOptions(model_range=(sd.sigma_min, sd.sigma_max))
        noise = ImageNoise([1], SHAPE)
        end = samplers["dpm_adaptive"].sample(counted, x, sigmas, noise, options)
        return end, len(counted.sigmas)

    few, many = run(5), run(50)
    assert torch.equal(few[0], many[0])
    assert few[1] == many[1] > 30


def test_dpm_adaptive_takes_a_step_again_where_it_was_too_long(
    samplers: Samplers, silence: Silence, x: Tensor
) -> None:
    def sudden(x: Tensor, sigma: Tensor) -> Tensor:
        return x * torch.sigmoid(40 * (sigma - 2))

    counted = Counted(sudden)
    sigmas = torch.tensor([14.0, 0.05, 0.0])
    samplers["dpm_adaptive"].sample(counted, x, sigmas, silence, SamplerOptions(eta=0.0))
    starts = counted.sigmas[::3]  # three calls per try, the first where the step begins
    assert any(later == sooner for sooner, later in pairwise(starts))


@pytest.mark.parametrize(("steps", "calls", "returns"), [(19, 37, 0), (20, 39, 1), (36, 71, 2)])
def test_restart_spends_its_steps_between_01_and_2(
    sd: DiscretePrediction,
    samplers: Samplers,
    schedules: Schedules,
    x: Tensor,
    steps: int,
    calls: int,
    returns: int,
) -> None:
    class Counting(ImageNoise):
        steps = 0

        def step(self) -> Tensor:
            self.steps += 1
            return super().step()

    counted, noise = Counted(denoise_gaussian), Counting([1], SHAPE)
    sigmas = make_sigmas(samplers["restart"], schedules["automatic"], steps, sd)
    samplers["restart"].sample(counted, x, sigmas, noise, SamplerOptions())
    levels = counted.sigmas
    rises = [later for sooner, later in pairwise(levels) if later > sooner]
    assert (len(levels), noise.steps, len(rises)) == (calls, returns, returns)
    assert all(1.5 < level < 2.5 for level in rises)


def test_cfgpp_takes_its_noise_from_the_negative_prompt(
    sd: DiscretePrediction, samplers: Samplers, silence: Silence, x: Tensor
) -> None:
    sigmas, cond, uncond = torch.tensor([10.0, 4.0]), torch.full_like(x, 0.5), torch.ones_like(x)

    def end(name: str, options: SamplerOptions) -> Tensor:
        return samplers[name].sample(lambda x, sigma: cond, x, sigmas, silence, options)

    alone = SamplerOptions()
    assert torch.equal(end("ddim_cfgpp", alone), end("ddim", alone))
    renoised = cond + (x - uncond) / 10 * 4
    guided = end("ddim_cfgpp", SamplerOptions(last_uncond=lambda: uncond))
    assert torch.allclose(guided, renoised / 17**0.5, atol=1e-6)


def test_cfgpp_maps_the_scales_people_use_to_those_of_the_paper(samplers: Samplers) -> None:
    assert samplers["ddim_cfgpp"].cfg_factor * 12.5 == 1
    assert samplers["ddim_cfgpp"].needs_uncond


@pytest.mark.parametrize("variant", ["bh1", "bh2", "vary_coeff"])
@pytest.mark.parametrize("steps", [1, 2, 3, 6])
@pytest.mark.parametrize("final", [False, True])
def test_unipc_runs_with_fewer_steps_than_its_order(
    sd: DiscretePrediction,
    samplers: Samplers,
    schedules: Schedules,
    silence: Silence,
    x: Tensor,
    variant: str,
    steps: int,
    final: bool,
) -> None:
    sigmas = make_sigmas(samplers["unipc"], schedules["automatic"], steps, sd)
    form = UniPCForm(variant, 5, final)  # pyright: ignore[reportArgumentType]
    options = SamplerOptions(space=sd, unipc=form)
    end = samplers["unipc"].sample(denoise_gaussian, x, sigmas, silence, options)
    assert end.isfinite().all()
    assert end.abs().max() < 10


@pytest.mark.parametrize("final", [False, True])
def test_unipc_steps_to_zero_on_the_estimate(
    samplers: Samplers, silence: Silence, x: Tensor, final: bool
) -> None:
    target, sigmas = torch.randn_like(x), torch.tensor([1.0, 0.7, 0.5, 0.2, 0.0])
    options = SamplerOptions(space=FlowPrediction(), unipc=UniPCForm(lower_order_final=final))
    end = samplers["unipc"].sample(lambda x, sigma: target, x, sigmas, silence, options)
    assert torch.allclose(end, target, atol=1e-6)
