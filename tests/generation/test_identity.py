"""The same seed is the same picture: alone, in a batch, late in a job, packed with others."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.generation.conftest import Studio, pictures
from webui.contract.events import Artifact
from webui.contract.request import GenerationRequest
from webui.generation import latents
from webui.plugins.expansion import expand_batch
from webui.weights.checkpoint import Checkpoint

BASE: dict[str, Any] = {"prompt.positive": "a [red:blue:2] house", "noise.seed": 20}


class Tape:
    """Remembers what goes into the VAE."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.latents: list[Tensor] = []
        self.decode = latents.decode
        monkeypatch.setattr(latents, "decode", self.remember)

    def remember(self, checkpoint: Checkpoint, latent: Tensor, tile_pixels: int) -> Tensor:
        self.latents.append(latent.clone())
        return self.decode(checkpoint, latent, tile_pixels)


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> Tape:
    return Tape(monkeypatch)


def paint(studio: Studio, tape: Tape, *requests: GenerationRequest) -> tuple[Artifact, Tensor]:
    """The first picture of a run, and all its latents."""
    tape.latents.clear()
    first = pictures(studio.run(*requests))[0]
    return first, torch.cat(tape.latents)


@pytest.mark.parametrize(
    "values",
    [
        {"sampling.sampler": "euler_a"},
        {"sampling.sampler": "euler_a", "noise.source": "nv", "sampling.ensd": 31337},
        {"sampling.sampler": "dpmpp_3m_sde"},
        {"sampling.sampler": "dpmpp_sde", "noise.source": "nv"},
        {"sampling.sampler": "ddim", "sampling.eta": 0.8},
        {"sampling.sampler": "dpm_adaptive"},
        {"sampling.sampler": "lcm", "hires.scale": 1.5, "hires.steps": 2},
    ],
    ids=lambda values: values["sampling.sampler"],
)
def test_alone_in_a_batch_of_four_and_as_third_item_of_a_job_to_the_bit(
    duet: Studio, tape: Tape, values: dict[str, Any]
) -> None:
    request = duet.request({**BASE, **values, "noise.seed": 22})
    alone, latent = paint(duet, tape, request)
    batch = expand_batch(duet.request({**BASE, **values, "canvas.batch_size": 4}))
    for position, item in enumerate(batch):
        picture, of_batch = paint(duet, tape, item.request)
        if position == 2:
            assert torch.equal(of_batch, latent)
            assert picture.data == alone.data
        else:
            assert not torch.equal(of_batch, latent)


@pytest.mark.parametrize("sampler", ["euler_a", "dpmpp_2m_sde", "heun", "unipc"])
def test_packed_images_equal_single_ones_within_rounding(
    duet: Studio, tape: Tape, sampler: str
) -> None:
    requests = [
        duet.request({**BASE, "sampling.sampler": sampler, "noise.seed": seed})
        for seed in (3, 4, 5, 6)
    ]
    first, together = paint(duet, tape, *requests)
    assert "Packed: 4" in first.infotext
    alone = torch.cat([paint(duet, tape, request)[1] for request in requests])
    assert (together - alone).abs().max() <= 1e-4 * alone.std()
