"""The restore law, and tiling."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from webui.diffusion.conditioning import Conditioning, Row, stack
from webui.weights.checkpoint import Checkpoint
from webui.weights.patches import Tiling, patched, restoring


def fingerprint(checkpoint: Checkpoint) -> str:
    """Every bit of every tensor, and every plain attribute of every module."""
    digest = hashlib.sha256()
    for name, module in checkpoint.modules.items():
        digest.update(name.encode())
        for key, tensor in module.state_dict().items():
            digest.update(key.encode())
            digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
        for key, part in module.named_modules():
            plain = {
                k: v
                for k, v in vars(part).items()
                if isinstance(v, (int, float, str, tuple)) and not k.startswith("_hf")
            }
            digest.update(f"{key}{sorted(plain.items())}".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Nudge:
    """A patch that adds to weights, as a LoRA does."""

    amount: float

    @contextmanager
    def apply(self, checkpoint: Checkpoint) -> Iterator[None]:
        weights = list(checkpoint.network.module.parameters())[:20]
        with restoring(weights), torch.no_grad():
            for weight in weights:
                weight.add_(self.amount)
            yield


PATCHES = [[Tiling()], [Nudge(1 / 3)], [Nudge(1 / 3), Tiling(), Nudge(1e6)], [Tiling(), Tiling()]]


@pytest.mark.parametrize("patches", PATCHES)
def test_leaving_a_patch_restores_every_bit(from_folder: Checkpoint, patches: list[Any]) -> None:
    before = fingerprint(from_folder)
    with patched(from_folder, patches):
        assert fingerprint(from_folder) != before
    assert fingerprint(from_folder) == before


@pytest.mark.parametrize("patches", PATCHES)
def test_an_error_inside_restores_every_bit_too(
    from_folder: Checkpoint, patches: list[Any]
) -> None:
    before = fingerprint(from_folder)
    with pytest.raises(RuntimeError, match="inside"), patched(from_folder, patches):
        raise RuntimeError("inside")
    assert fingerprint(from_folder) == before


def test_a_patch_that_fails_to_enter_takes_the_others_off(from_folder: Checkpoint) -> None:
    class Broken:
        @contextmanager
        def apply(self, checkpoint: Checkpoint) -> Iterator[None]:
            raise RuntimeError("at the door")
            yield

    before = fingerprint(from_folder)
    entering = patched(from_folder, [Nudge(2.0), Tiling(), Broken()])
    with pytest.raises(RuntimeError, match="at the door"), entering:
        pass
    assert fingerprint(from_folder) == before


def test_the_same_weights_give_the_same_bits_after_a_patch(from_folder: Checkpoint) -> None:
    def run() -> torch.Tensor:
        batch = stack([Row(0, Conditioning(torch.zeros(1, 77, 32)), True)])
        return from_folder.network(torch.ones(1, 4, 8, 8), torch.tensor([500.0]), batch)

    before = run()
    with patched(from_folder, [Tiling(), Nudge(0.01)]):
        assert not torch.equal(run(), before)
    assert torch.equal(run(), before)


def test_tiling_makes_the_network_and_the_decoder_blind_to_where_the_edge_is(
    from_folder: Checkpoint,
) -> None:
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    rolled = latent.roll((4, 4), (2, 3))

    def decode(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return from_folder.vae.decode(x, return_dict=False)[0]

    with patched(from_folder, [Tiling()]):
        moved = decode(latent).roll((32, 32), (2, 3))
        assert torch.allclose(decode(rolled), moved, atol=1e-5)
    assert not torch.allclose(decode(rolled), decode(latent).roll((32, 32), (2, 3)), atol=1e-3)
