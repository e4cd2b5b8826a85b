"""The mathematics of effects inside the network: token merging and FreeU."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from diffusers.utils.torch_utils import fourier_filter
from torch import Tensor

from tests.effects.conftest import Stand
from webui.contract.request import GenerationRequest
from webui.effects.arguments import FreeUArgs, TokenMergingArgs
from webui.effects.freeu import FreeU, decoder, smoothed, strengthened
from webui.effects.modules import hooked, self_attention, transformer_blocks, unet_of
from webui.effects.token_merging import Merging, TokenMerging, match
from webui.weights.patches import patched


@pytest.fixture
def tokens() -> Tensor:
    torch.manual_seed(2)
    return torch.randn(2, 7 * 5, 16)  # seven rows of five


@pytest.mark.parametrize("merging", [1, 10, 27, 29, 99])
def test_as_many_tokens_merge_as_asked_for_and_come_back_to_their_places(
    tokens: Tensor, merging: int
) -> None:
    found = match(tokens, 5, merging)
    targets = 3 * 2  # whole 2x2 cells in seven rows of five
    gone = min(merging, 35 - targets)
    merged = found.merge(tokens)
    assert merged.shape == (2, 35 - gone, 16)
    back = found.unmerge(merged)
    assert back.shape == tokens.shape
    for row in range(2):
        alone = found.alone[row]
        assert torch.equal(back[row, alone], tokens[row, alone])
        into = found.targets[found.into[row]]
        assert torch.equal(back[row, found.merged[row]], back[row, into])
        places = torch.cat([found.targets, alone, found.merged[row]])
        assert torch.equal(places.sort().values, torch.arange(35))


def test_targets_are_the_first_of_each_whole_cell_and_get_the_mean(tokens: Tensor) -> None:
    found = match(tokens, 5, 29)
    assert found.targets.tolist() == [0, 2, 10, 12, 20, 22]
    merged = found.merge(tokens)
    members = tokens[0, found.merged[0][found.into[0] == 3]]
    mean = torch.cat([tokens[0, 12:13], members]).mean(0)
    assert torch.allclose(merged[0, 3], mean, atol=1e-6)


def test_the_most_alike_merge_first_and_into_their_like() -> None:
    torch.manual_seed(4)
    tokens = torch.randn(1, 16, 8)
    tokens[0, 1] = tokens[0, 10] * 2  # the same direction counts, not the length
    found = match(tokens, 4, 1)
    assert found.merged.tolist() == [[1]]
    assert found.targets[found.into].tolist() == [[10]]


def seen_tokens(stand: Stand, ratio: float, depth: int) -> dict[str, int]:
    """How many tokens each self-attention worked on."""
    seen: dict[str, int] = {}
    blocks = transformer_blocks(unet_of(stand.checkpoint, ""))
    with patched(stand.checkpoint, [Merging(ratio, depth)] if ratio else []):
        handles = [
            self_attention(block).to_q.register_forward_pre_hook(
                lambda _module, given, name=name: seen.update({name: given[0].shape[1]})
            )
            for name, block in blocks.items()
        ]
        with hooked(handles):
            stand.denoise()
    return seen


def test_merging_reaches_the_layers_at_the_latents_own_size_and_no_deeper(
    make_stand: Callable[[str], Stand],
) -> None:
    stand = make_stand("sd")
    plain, merged = seen_tokens(stand, 0, 1), seen_tokens(stand, 0.5, 1)
    size = 16 * 12
    assert {name for name in plain if plain[name] == size} == {
        name for name in plain if merged[name] == size // 2
    }
    assert all(merged[name] == plain[name] for name in plain if plain[name] < size)
    deeper = seen_tokens(stand, 0.5, 2)
    assert {deeper[name] for name in plain if plain[name] == size // 4} == {size // 8}


def test_an_sdxl_network_merges_from_a_depth_of_2_on(make_stand: Callable[[str], Stand]) -> None:
    stand = make_stand("sdxl")
    plain = seen_tokens(stand, 0, 1)
    assert seen_tokens(stand, 0.5, 1) == plain
    assert seen_tokens(stand, 0.5, 2) != plain


def test_merging_says_where_a_model_has_no_layer_for_it(make_stand: Callable[[str], Stand]) -> None:
    for kind, least in (("sd", 1), ("sdxl", 2), ("starter", 2)):
        said: list[str] = []
        view = replace(make_stand(kind).view(), tell=said.append)
        layer = TokenMerging().layer(view, GenerationRequest(), TokenMergingArgs(ratio=0.5))
        assert (layer.wrap is None) == bool(said) == (least > 1)
        assert all("Set its deepest layers to 2" in sentence for sentence in said)


def test_the_hires_pass_has_its_own_ratio_or_that_of_the_first(
    make_stand: Callable[[str], Stand],
) -> None:
    stand, effect = make_stand("sd"), TokenMerging()
    both = TokenMergingArgs(ratio=0.3, hr_ratio=0.6)
    only = TokenMergingArgs(ratio=0.6)
    second = TokenMergingArgs(hr_ratio=0.6)
    wanted = stand.denoise((effect, only))
    assert torch.equal(stand.denoise((effect, both), hires=True), wanted)
    assert torch.equal(stand.denoise((effect, only), hires=True), wanted)
    assert torch.equal(stand.denoise((effect, second), hires=True), wanted)
    assert torch.equal(stand.denoise((effect, second)), stand.denoise())
    assert not torch.equal(stand.denoise((effect, both)), wanted)


def test_equal_tokens_merge_without_a_trace(make_stand: Callable[[str], Stand]) -> None:
    stand = make_stand("sd")
    attention = self_attention(
        next(iter(transformer_blocks(unet_of(stand.checkpoint, "")).values()))
    )
    tokens = torch.randn(1, 1, 32).expand(1, 16, 32).contiguous()
    found = match(tokens, 4, 8)
    with torch.inference_mode():
        merged = found.unmerge(attention(found.merge(tokens)))
        assert torch.allclose(merged, attention(tokens), atol=1e-6)


def test_the_decoders_two_widest_stages_are_reweighed(make_stand: Callable[[str], Stand]) -> None:
    places = decoder(unet_of(make_stand("sd").checkpoint, ""))
    assert [(channels, stage) for _, channels, stage in places] == [
        (128, 0), (128, 0), (128, 0), (64, 1), (64, 1),
    ]  # fmt: skip
    assert [block.in_channels - channels for block, channels, _ in places] == [128, 64, 64, 32, 32]  # type: ignore[operator]


def test_one_stage_is_the_same_in_any_family(make_stand: Callable[[str], Stand]) -> None:
    widths = {kind: decoder(unet_of(make_stand(kind).checkpoint, "")) for kind in ("sd", "sdxl")}
    assert [p[1:] for p in widths["sd"]] == [p[1:] for p in widths["sdxl"]]


def test_the_first_version_multiplies_half_of_the_backbone() -> None:
    backbone = torch.randn(2, 6, 4, 4)
    found = strengthened(backbone, 1.4, "1")
    assert torch.equal(found[:, :3], backbone[:, :3] * 1.4)
    assert torch.equal(found[:, 3:], backbone[:, 3:])


def test_the_second_version_follows_the_backbones_mean() -> None:
    backbone = torch.randn(2, 6, 4, 4)
    found = strengthened(backbone, 1.4, "2")
    ratio = (found[:, :3] / backbone[:, :3]).flatten(2)  # (N, 3, places)
    mean = backbone.mean(1).flatten(1)
    for image in range(2):
        assert torch.allclose(ratio[image, :, mean[image].argmin()], torch.ones(3), atol=1e-4)
        highest = ratio[image, :, mean[image].argmax()]
        assert torch.allclose(highest, torch.full((3,), 1.4), atol=1e-4)
    assert torch.equal(found[:, 3:], backbone[:, 3:])


def test_smoothing_weighs_the_lowest_frequencies_alone() -> None:
    flat = torch.full((1, 1, 8, 8), 3.0)
    assert torch.allclose(smoothed(flat, 0.2), flat * 0.2, atol=1e-5)
    fine = (-1.0) ** torch.arange(8).view(1, 1, 1, 8).expand(1, 1, 8, 8)
    assert torch.allclose(smoothed(fine, 0.2), fine, atol=1e-5)
    both = torch.randn(1, 2, 9, 7)
    assert torch.allclose(smoothed(both, 1.0), both, atol=1e-5)
    assert torch.allclose(smoothed(both, 0.2), fourier_filter(both, 1, 0.2), atol=1e-5)


def test_freeu_keeps_to_its_part_of_the_pass(make_stand: Callable[[str], Stand]) -> None:
    stand, effect = make_stand("sd"), FreeU()
    args = FreeUArgs(b1=1.3, b2=1.4, s1=0.9, s2=0.2, start=0.2, end=0.5)
    felt = {
        sigma: not torch.equal(
            stand.denoise((effect, args), sigma=sigma), stand.denoise(sigma=sigma)
        )
        for sigma in (10.0, 5.0, 2.5, 1.0, 0.5)
    }
    assert felt == {10.0: False, 5.0: True, 2.5: True, 1.0: False, 0.5: False}
