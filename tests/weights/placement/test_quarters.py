"""Where the parts of a checkpoint lie and how they come to the device, on a device that counts."""

import copy
import weakref
from collections.abc import Iterator

import pytest
import torch
from diffusers.hooks import apply_layerwise_casting
from torch import Tensor, nn

from webui.diffusion.conditioning import ConditioningBatch
from webui.weights.checkpoint import Checkpoint
from webui.weights.networks import UNetNetwork
from webui.weights.placement import Berth, Format, Plan, Quarters, like_of
from webui.weights.placement.stages import all_tensors, blocks_of, size_of

DEVICE = torch.device("cpu", 0)
"""The same memory as "cpu" under another name: torch computes there, and we can tell it apart."""


class Counter:
    """Brings tensors to the device, and knows how many bytes are there now and were at most."""

    def __init__(self) -> None:
        self.now, self.most, self.limit = 0, 0, 1 << 60

    def __call__(self, tensor: Tensor, device: torch.device) -> Tensor:
        size = tensor.numel() * tensor.element_size()
        if self.now + size > self.limit:
            raise torch.OutOfMemoryError("out of memory")
        brought = tensor.clone()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(brought.untyped_storage(), self._gone, size)
        return brought

    def _gone(self, size: int) -> None:
        self.now -= size


@pytest.fixture
def checkpoint(from_folder: Checkpoint) -> Iterator[Checkpoint]:
    """A copy that may be moved about, in half precision as its files are."""
    copied = copy.deepcopy(from_folder)
    for module in copied.modules.values():
        nn.Module.to(module, dtype=torch.float16)
    yield copied


def quarters_of(checkpoint: Checkpoint, move: Counter, berth: Berth | None = None) -> Quarters:
    formats = dict.fromkeys(checkpoint.modules, Format(DEVICE, torch.float32))
    network = checkpoint.family.network.folder
    return Quarters(checkpoint.modules, formats, network, berth or Berth(), move)


@torch.inference_mode()
def ask(checkpoint: Checkpoint) -> list[Tensor]:
    """What text encoder, network and both halves of the autoencoder say."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.arange(77)[None]
    context = checkpoint.text_encoders[0](input_ids=ids).last_hidden_state
    x = torch.randn(1, 4, 8, 8, generator=generator)
    told = ConditioningBatch(context.float())
    noise = UNetNetwork(checkpoint.network.module)(x, torch.tensor([500.0]), told)
    like = like_of(checkpoint.vae)
    pixels = checkpoint.vae.decode(x.to(like)).sample
    latent = checkpoint.vae.encode(pixels).latent_dist.mode()
    return [context, noise, pixels, latent]


def bits_of(checkpoint: Checkpoint) -> list[Tensor]:
    modules = checkpoint.modules.values()
    return [t.detach().clone() for m in modules for t in all_tensors(m)]


@pytest.mark.parametrize("storage", ["compute", "file"])
@pytest.mark.parametrize("placement", ["full", "model", "group", "sequential"])
def test_every_placement_says_the_same_and_loses_no_bit(
    checkpoint: Checkpoint, from_folder: Checkpoint, placement: str, storage: str
) -> None:
    expected, before = ask(from_folder), bits_of(checkpoint)
    move = Counter()
    quarters = quarters_of(checkpoint, move)
    quarters.settle(Plan(placement, storage))  # type: ignore[arg-type]
    for mine, theirs in zip(ask(checkpoint), expected, strict=True):
        assert torch.equal(mine.float(), theirs.float())
    quarters.leave()
    for one, other in zip(bits_of(checkpoint), before, strict=True):
        assert torch.equal(one.to(other.dtype), other)


def test_parts_take_turns_blocks_and_layers_need_less(checkpoint: Checkpoint) -> None:
    most: dict[str, int] = {}
    for placement in ("model", "group", "sequential"):
        move = Counter()
        quarters_of(checkpoint, move).settle(Plan(placement))  # type: ignore[arg-type]
        ask(checkpoint)
        checkpoint_of = [size_of(m) for m in checkpoint.modules.values()]
        most[placement] = move.most
        assert move.now <= max(checkpoint_of)
        assert move.most < sum(checkpoint_of)
    assert most["model"] > most["group"] > most["sequential"]


def test_one_berth_serves_two_checkpoints(checkpoint: Checkpoint) -> None:
    other, move, berth = copy.deepcopy(checkpoint), Counter(), Berth()
    for one in (checkpoint, other):
        quarters_of(one, move, berth).settle(Plan("model"))
        ask(one)
    assert move.now == size_of(other.vae)
    berth.clear()
    assert move.now == 0


@pytest.mark.parametrize("placement", ["model", "group", "sequential"])
def test_a_change_made_at_rest_is_in_force_and_leaves_with_its_patch(
    checkpoint: Checkpoint, placement: str
) -> None:
    quarters = quarters_of(checkpoint, Counter())
    quarters.settle(Plan(placement))  # type: ignore[arg-type]
    before = ask(checkpoint)[1]
    weight = next(p for p in checkpoint.network.module.parameters() if p.ndim == 4)
    quarters.rest()
    kept = weight.data
    weight.data = kept * 2
    assert not torch.equal(ask(checkpoint)[1], before)
    quarters.rest()
    weight.data = kept
    assert torch.equal(ask(checkpoint)[1], before)


@pytest.mark.parametrize("placement", ["model", "group", "sequential"])
def test_running_out_of_memory_on_the_way_leaves_everything_in_its_place(
    checkpoint: Checkpoint, placement: str
) -> None:
    move, before = Counter(), bits_of(checkpoint)
    quarters = quarters_of(checkpoint, move)
    quarters.settle(Plan(placement, "file"))  # type: ignore[arg-type]
    expected = ask(checkpoint)
    quarters.rest()
    move.limit = move.most - 1
    with pytest.raises(torch.OutOfMemoryError):
        ask(checkpoint)
    quarters.rest()
    assert move.now == 0
    move.limit = 1 << 60
    for mine, theirs in zip(ask(checkpoint), expected, strict=True):
        assert torch.equal(mine, theirs)
    quarters.leave()
    for one, other in zip(bits_of(checkpoint), before, strict=True):
        assert torch.equal(one.to(other.dtype), other)


def test_eight_bits_are_weights_rounded_once_in_a_network_that_computes_wide(
    checkpoint: Checkpoint,
) -> None:
    theirs = copy.deepcopy(checkpoint)
    nn.Module.to(theirs.network.module, dtype=torch.float32)
    quarters = quarters_of(checkpoint, Counter())
    quarters.settle(Plan(storage="fp8"))
    small = size_of(checkpoint.network.module)
    assert small < 0.4 * size_of(theirs.network.module)
    kept = {n for n, p in checkpoint.network.module.named_parameters() if p.element_size() == 1}
    for name, layer in theirs.network.module.named_modules():
        if f"{name}.weight" in kept:  # biases stay wide here
            layer.weight.data = layer.weight.data.to(torch.float8_e4m3fn).to(torch.float32)
    nn.Module.to(theirs.vae, dtype=torch.float32)
    nn.Module.to(theirs.text_encoders[0], dtype=torch.float32)
    assert torch.equal(ask(checkpoint)[1], ask(theirs)[1])


def test_only_layers_that_the_library_would_narrow_too_are_kept_in_eight_bits(
    checkpoint: Checkpoint,
) -> None:
    theirs = copy.deepcopy(checkpoint.network.module)
    apply_layerwise_casting(
        theirs,
        torch.float8_e4m3fn,
        torch.float32,
        ("pos_embed", "patch_embed", "norm", "^proj_in$", "^proj_out$"),
    )
    quarters_of(checkpoint, Counter()).settle(Plan(storage="fp8"))
    narrow = torch.float8_e4m3fn
    ours = {n for n, p in checkpoint.network.module.named_parameters() if p.dtype == narrow}
    assert ours <= {n for n, p in theirs.named_parameters() if p.dtype == narrow}
    assert len(ours) > 50


def test_a_part_can_be_widened_where_half_precision_is_not_enough(checkpoint: Checkpoint) -> None:
    formats = dict.fromkeys(checkpoint.modules, Format(DEVICE, torch.float16))
    quarters = Quarters(checkpoint.modules, formats, "unet", Berth(), Counter())
    quarters.settle(Plan("model"))
    assert like_of(checkpoint.vae).dtype == torch.float16
    assert quarters.widen("vae", torch.float32)
    assert not quarters.widen("vae", torch.float32)
    assert like_of(checkpoint.vae).dtype == torch.float32
    x = torch.zeros(1, 4, 8, 8)
    with torch.inference_mode():
        assert checkpoint.vae.decode(x).sample.dtype == torch.float32


def test_large_blocks_are_split_and_small_ones_stay_whole(checkpoint: Checkpoint) -> None:
    network = checkpoint.network.module
    whole, split = blocks_of(network, 1 << 40), blocks_of(network, 1)
    assert len(split) > len(whole)
    assert max(size_of(b) for b in split) < max(size_of(b) for b in whole)
