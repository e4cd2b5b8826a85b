import pytest
import torch
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from hypothesis import given
from hypothesis import strategies as st

from webui.diffusion.prediction import DiscretePrediction, FlowPrediction


def test_stable_diffusion_runs_from_14_6146_to_0_0292(sd: DiscretePrediction) -> None:
    assert sd.sigma_max == pytest.approx(14.6146, abs=5e-5)
    assert sd.sigma_min == pytest.approx(0.0292, abs=5e-5)
    assert len(sd.sigmas) == 1000
    assert (sd.sigmas.diff() > 0).all()


def test_table_entries_are_whole_timesteps(sd: DiscretePrediction) -> None:
    assert torch.equal(sd.timestep(sd.sigmas), torch.arange(1000.0))


@given(st.floats(0, 999))
def test_timestep_and_sigma_are_inverses(timestep: float) -> None:
    prediction = DiscretePrediction.scaled_linear()
    again = prediction.timestep(prediction.sigma(torch.tensor(timestep)))
    assert again.item() == pytest.approx(timestep, abs=2e-3)


def test_between_entries_log_sigma_is_linear(sd: DiscretePrediction) -> None:
    middle = (sd.sigmas[499] * sd.sigmas[500]).sqrt()
    assert sd.timestep(middle).item() == pytest.approx(499.5, abs=1e-3)


def test_sigmas_outside_the_table_are_held_at_its_ends(sd: DiscretePrediction) -> None:
    assert sd.timestep(torch.tensor([0.001, 100.0])).tolist() == [0, 999]


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_perfect_network_gives_the_latent_back(kind: str) -> None:
    prediction = DiscretePrediction.scaled_linear(kind=kind)  # pyright: ignore[reportArgumentType]
    latent, noise = torch.randn(2, 1, 4, 8, 8)
    sigma = torch.tensor(3.0)
    x = prediction.add_noise(latent, noise, sigma)
    alpha, scaled = 1 / 10**0.5, 3 / 10**0.5
    output = noise if kind == "epsilon" else alpha * noise - scaled * latent
    assert torch.allclose(prediction.denoised(output, x, sigma), latent, atol=1e-5)


def test_the_network_sees_unit_variance(sd: DiscretePrediction) -> None:
    x = torch.randn(1, 4, 64, 64) * 5**0.5
    assert sd.scale_input(x, torch.tensor(2.0)).std().item() == pytest.approx(1, abs=0.02)


def test_a_perfect_flow_gives_the_latent_back() -> None:
    flow = FlowPrediction(shift=3.0)
    latent, noise = torch.randn(2, 1, 16, 8, 8)
    sigma = torch.tensor(0.7)
    x = flow.start(latent, noise, sigma)
    assert torch.allclose(flow.denoised(noise - latent, x, sigma), latent, atol=1e-6)


def test_a_flow_tells_its_network_sigma_times_1000() -> None:
    flow = FlowPrediction(shift=3.0)
    assert flow.sigma_max == 1
    assert flow.timestep(torch.tensor(0.25)).item() == 250
    assert flow.sigma(torch.tensor(250.0)).item() == 0.25


def test_shift_moves_the_middle_of_a_flow_towards_noise() -> None:
    middle = FlowPrediction(shift=3.0).spaced(1, 0, 3)[1]
    assert middle.item() == pytest.approx(3 * 0.5 / (1 + 2 * 0.5))


@pytest.mark.parametrize("prediction", [DiscretePrediction.scaled_linear(), FlowPrediction(3.0)])
def test_an_ancestral_step_keeps_the_noise_level(
    prediction: DiscretePrediction | FlowPrediction,
) -> None:
    sigma, sigma_next = torch.tensor(0.8), torch.tensor(0.5)
    for eta in (0.0, 0.4, 1.0):
        down, up, scale = prediction.ancestral_step(sigma, sigma_next, eta)
        signal = prediction.alpha(down) * scale
        level = ((down * scale) ** 2 + up**2) ** 0.5
        assert signal.item() == pytest.approx(prediction.alpha(sigma_next).item())
        assert level.item() == pytest.approx(sigma_next.item())
        assert (up.item() == 0) == (eta == 0)


def test_a_prediction_wants_betas_or_their_product_but_not_both() -> None:
    with pytest.raises(ValueError, match="either"):
        DiscretePrediction()


def test_a_downcast_table_is_worked_out_in_half_precision(sd: DiscretePrediction) -> None:
    half = sd.alphas_cumprod.half()
    expected = ((1 - half) / half) ** 0.5
    downcast = sd.downcast()
    assert torch.equal(downcast.sigmas, expected.float())
    assert downcast.sigma_min != sd.sigma_min
    # levels are looked up in logarithms that were rounded too
    between = downcast.sigma(torch.tensor(400.0))
    assert torch.equal(between, expected[400].log().float().exp())
    assert downcast.timestep(downcast.sigmas).isfinite().all()


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_table_that_ends_in_noise_keeps_its_first_level(
    sd: DiscretePrediction, kind: str
) -> None:
    base = DiscretePrediction.scaled_linear(kind=kind)  # pyright: ignore[reportArgumentType]
    stretched = base.ending_in_noise()
    assert stretched.kind == kind
    assert stretched.sigma_max == pytest.approx(4518.6, rel=1e-4)
    assert stretched.sigma_min == pytest.approx(sd.sigma_min, rel=1e-4)
    assert (stretched.sigmas.diff() > 0).all()


def test_a_table_that_ends_in_noise_is_what_diffusers_makes(sd: DiscretePrediction) -> None:
    betas = 1 - sd.alphas_cumprod / torch.cat([torch.ones(1), sd.alphas_cumprod[:-1]])
    theirs = (1 - rescale_zero_terminal_snr(betas)).cumprod(0)
    assert torch.allclose(sd.ending_in_noise().alphas_cumprod[:-1], theirs[:-1], atol=1e-6)


def test_downcast_and_ending_in_noise_work_together(sd: DiscretePrediction) -> None:
    both = sd.downcast().ending_in_noise()
    assert both.sigmas.isfinite().all()
    assert (both.sigmas.diff() > 0).all()
