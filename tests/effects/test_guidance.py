"""The mathematics of guiding effects: rescale, thresholds, perturbed and self attention."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from tests.effects.conftest import Stand
from webui.diffusion.guidance import Estimates
from webui.effects.arguments import (
    PerturbedAttentionArgs,
    RescaleArgs,
    SelfAttentionArgs,
    ThresholdingArgs,
)
from webui.effects.modules import self_attention, transformer_blocks, unet_of
from webui.effects.perturbed_attention import Perturbation, PerturbedAttention, chosen
from webui.effects.rescaling import Rescale, rescaled
from webui.effects.self_attention import SelfAttention, Watching, blurred, degraded
from webui.effects.thresholding import DynamicThresholding, scale_at, thresholded
from webui.errors import InvalidRequest
from webui.weights.patches import patched

WHOLE = (1, 2, 3)


def guess(cond: Tensor, uncond: Tensor) -> Estimates:
    return Estimates(cond, torch.tensor(2.5), cond, uncond, lambda x, positive: x, lambda: uncond)


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    torch.manual_seed(3)
    cond = torch.randn(2, 4, 8, 6) * torch.tensor([0.8, 1.3]).view(2, 1, 1, 1) + 0.4
    return cond, cond + 0.3 * torch.randn(2, 4, 8, 6)


def test_rescale_brings_the_spread_of_each_image_back_to_that_of_the_prompts_estimate(
    pair: tuple[Tensor, Tensor],
) -> None:
    cond, uncond = pair
    strong = uncond + (cond - uncond) * 12
    spread, wanted = strong.std(WHOLE), cond.std(WHOLE)
    assert torch.allclose(rescaled(strong, cond, 1.0).std(WHOLE), wanted, atol=1e-5)
    assert torch.equal(rescaled(strong, cond, 0.0), strong)
    half = rescaled(strong, cond, 0.5).std(WHOLE)
    assert torch.allclose(half, (spread + wanted) / 2, atol=1e-5)


def test_rescale_corrects_what_the_guidance_inside_it_made(
    make_stand: Callable[[str], Stand],
) -> None:
    stand = make_stand("starter")
    guide = Rescale().layer(stand.view(), None, RescaleArgs(multiplier=1)).guide  # type: ignore[arg-type]
    assert guide is not None
    made = guide(lambda e: e.cond * 3)(guess(stand.x, stand.x))
    assert torch.allclose(made, stand.x, atol=1e-5)


@pytest.mark.parametrize("startpoint", ["MEAN", "ZERO"])
@pytest.mark.parametrize("measure", ["AD", "STD"])
@pytest.mark.parametrize("separate", [True, False])
def test_thresholding_leaves_an_estimate_alone_that_is_in_range_already(
    pair: tuple[Tensor, Tensor], startpoint: str, measure: str, separate: bool
) -> None:
    args = ThresholdingArgs.model_validate(
        {"startpoint": startpoint, "measure": measure, "separate_channels": separate}
    )
    assert torch.allclose(thresholded(pair[0], pair[0], args), pair[0], atol=1e-5)


@pytest.mark.parametrize(("measure", "size"), [("AD", "amax"), ("STD", "std")])
def test_thresholding_gives_each_channel_the_range_of_the_milder_estimate(
    pair: tuple[Tensor, Tensor], measure: str, size: str
) -> None:
    cond, uncond = pair
    strong, mild = (uncond + (cond - uncond) * scale for scale in (20, 5))
    args = ThresholdingArgs.model_validate({"measure": measure})
    result = thresholded(strong, mild, args).flatten(2)

    def ranges(values: Tensor) -> Tensor:
        off = values - values.mean(2, keepdim=True)
        return off.std(2) if size == "std" else off.abs().amax(2)

    assert torch.allclose(ranges(result), ranges(mild.flatten(2)), rtol=1e-4)
    assert torch.allclose(result.mean(2), strong.flatten(2).mean(2), atol=1e-4)


def test_a_percentile_cuts_the_extremes_and_phi_mixes_plain_guidance_in(
    pair: tuple[Tensor, Tensor],
) -> None:
    cond, uncond = pair
    strong, mild = (uncond + (cond - uncond) * scale for scale in (20, 5))
    whole = thresholded(strong, mild, ThresholdingArgs())
    cut = thresholded(strong, mild, ThresholdingArgs(threshold_percentile=80))
    assert cut.std() > whole.std()  # the extremes no longer set the scale of the rest
    mixed = thresholded(strong, mild, ThresholdingArgs(interpolate_phi=0.25))
    assert torch.allclose(mixed, strong + (whole - strong) * 0.25, atol=1e-4)


def test_a_scale_moves_between_its_minimum_and_itself() -> None:
    ends = {
        "Constant": (9, 9), "Linear Down": (9, 1), "Cosine Down": (9, 1), "Linear Up": (1, 9),
        "Half Cosine Down": (9, 1 + 8 * math.cos(1)), "Cosine Up": (1, 9),
        "Half Cosine Up": (1, 9 - 8 * math.cos(1)), "Power Up": (1, 9), "Power Down": (9, 1),
        "Linear Repeating": (9, 9), "Cosine Repeating": (9, 9), "Sawtooth": (1, 1),
    }  # fmt: skip
    for mode, wanted in ends.items():
        found = [scale_at(9, 1, mode, 4.0, fraction) for fraction in (0.0, 1.0)]
        assert found == pytest.approx(wanted), mode
        assert all(1 - 1e-9 <= scale_at(9, 1, mode, 4.0, i / 20) <= 9 + 1e-9 for i in range(21))


def test_thresholding_at_the_mimic_scale_of_the_cfg_scale_is_plain_guidance(
    make_stand: Callable[[str], Stand],
) -> None:
    stand = make_stand("sd")
    felt = stand.denoise((DynamicThresholding(), ThresholdingArgs(mimic_scale=7)))
    assert torch.allclose(felt, stand.denoise(), atol=1e-4)


def test_a_perturbed_self_attention_passes_each_tokens_own_value(
    make_stand: Callable[[str], Stand],
) -> None:
    stand = make_stand("sd")
    (attention,) = chosen(stand.checkpoint, "mid")
    tokens = torch.randn(2, 12, attention.to_q.in_features)
    with torch.inference_mode(), patched(stand.checkpoint, [Perturbation("mid")]):
        found = attention(tokens)
    assert torch.allclose(found, attention.to_out[0](attention.to_v(tokens)), atol=1e-6)


def test_perturbed_guidance_adds_the_way_from_the_perturbed_estimate(
    make_stand: Callable[[str], Stand],
) -> None:
    stand, effect = make_stand("starter"), PerturbedAttention()
    plain = stand.denoise()
    one, three = (
        stand.denoise((effect, PerturbedAttentionArgs(scale=scale))) - plain for scale in (1, 3)
    )
    assert torch.allclose(three, one * 3, atol=1e-4)
    with patched(stand.checkpoint, [Perturbation("mid")]):
        perturbed = stand.denoise(cfg_scale=1)
    assert torch.allclose(one, stand.denoise(cfg_scale=1) - perturbed, atol=1e-4)


def test_perturbed_guidance_keeps_to_its_part_of_the_pass_and_fades(
    make_stand: Callable[[str], Stand],
) -> None:
    stand, effect = make_stand("sd"), PerturbedAttention()
    args = PerturbedAttentionArgs(scale=2, attenuation=100, start=0.2, end=0.5)
    full = PerturbedAttentionArgs(scale=2)
    for sigma, share in ((10.0, 0.0), (5.0, 0.75), (2.5, 0.5), (1.0, 0.0)):
        plain = stand.denoise(sigma=sigma)
        way = stand.denoise((effect, full), sigma=sigma) - plain
        felt = stand.denoise((effect, args), sigma=sigma) - plain
        assert torch.allclose(felt, way * share, atol=1e-4)


def test_layers_are_found_by_their_parts_in_any_spelling(
    make_stand: Callable[[str], Stand],
) -> None:
    checkpoint = make_stand("sdxl").checkpoint
    counts = {
        "mid": 2, "down": 3, "up": 6, "down.1": 1, "down.2": 2, "up.0.1": 2, "mid, down.1": 3,
        "down.block_1": 1, "up.block_0.attentions_1": 2, "mid_block": 2,
    }  # fmt: skip
    assert {name: len(chosen(checkpoint, name)) for name in counts} == counts
    with pytest.raises(InvalidRequest, match=r"'down\.0'; it has down\.1\.0, down\.2\.0, up"):
        chosen(checkpoint, "down.0")


def test_watching_finds_the_attention_each_place_gets_and_changes_no_bit(
    make_stand: Callable[[str], Stand],
) -> None:
    stand = make_stand("starter")
    blocks = transformer_blocks(unet_of(stand.checkpoint, ""))
    middle = next(b for n, b in blocks.items() if n.startswith("mid"))
    watching = Watching(self_attention(middle))
    plain = stand.denoise()
    stand_in = Stand(_with(stand, watching), stand.cond, stand.uncond, stand.x)
    assert torch.equal(stand_in.denoise(), plain)
    attention = watching.take(2)
    assert attention.shape == (2, 4 * 3)
    assert torch.allclose(attention.mean(1), torch.ones(2), atol=1e-4)
    assert watching.found == {}


def _with(stand: Stand, watching: Watching):
    from dataclasses import replace

    return replace(stand.checkpoint, network=watching.network(stand.checkpoint.network))  # type: ignore[arg-type]


def test_only_what_gets_much_attention_is_blurred() -> None:
    torch.manual_seed(1)
    clean = torch.randn(1, 4, 16, 16)
    attention = torch.zeros(1, 16)
    attention[0, 5] = 9.0  # the second cell of the second row of a 4x4 grid
    worse = degraded(clean, attention, 2, SelfAttentionArgs())
    changed = (worse != clean).any(1)[0]
    assert changed[4:8, 4:8].all()
    assert changed.sum() == 16
    assert torch.equal(worse[..., 4:8, 4:8], blurred(clean, 1.0)[..., 4:8, 4:8])


def test_the_blur_is_a_gaussian_that_keeps_flat_places() -> None:
    spot = torch.zeros(1, 1, 21, 21)
    spot[0, 0, 10, 10] = 1.0
    found = blurred(spot, 1.5)[0, 0]
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(found[10, 11] / found[10, 10]) == pytest.approx(math.exp(-1 / 4.5), rel=1e-4)
    assert torch.allclose(blurred(torch.ones(1, 4, 9, 9), 2.0), torch.ones(1, 4, 9, 9), atol=1e-5)


def test_self_attention_guidance_is_that_of_the_paper_on_predicted_noise(
    make_stand: Callable[[str], Stand],
) -> None:
    stand, sigma = make_stand("starter"), 2.5
    effect, args = SelfAttention(), SelfAttentionArgs(scale=0.75, threshold=0.5)
    view, sides = stand.view(), []
    layer = effect.layer(view, None, args)  # type: ignore[arg-type]
    assert layer.guide is not None

    def spy(estimates: Estimates) -> Tensor:
        sides.append(estimates)
        return estimates.uncond + (estimates.cond - estimates.uncond) * 7

    felt = stand.denoise((effect, args))
    blocks = transformer_blocks(unet_of(stand.checkpoint, ""))
    watching = Watching(self_attention(next(b for n, b in blocks.items() if "mid" in n)))
    spied = Stand(_with(stand, watching), stand.cond, stand.uncond, stand.x)
    plain = spied.denoise((_Spy(spy), None))
    found, x = sides[0], stand.x * sigma
    worse = degraded(found.uncond, watching.take(2), 3, args)
    noise = (x - found.uncond) / sigma
    noisy = worse + noise * sigma
    with torch.inference_mode():
        noise_again = (noisy - found.again(noisy, False)) / sigma
    expected = (x - plain) / sigma + 0.75 * (noise - noise_again)
    assert not torch.allclose(felt, plain, atol=1e-3)
    assert F.mse_loss(felt, x - expected * sigma) < 1e-8


class _Spy:
    """An effect that only looks."""

    def __init__(self, look: Callable[[Estimates], Tensor]) -> None:
        self.look = look

    def layer(self, *_given: object):
        from webui.plugins import Layer

        return Layer(guide=lambda inner: self.look)
