"""Networks for effects: the starter model's own, and tiny ones of the two UNet families."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from webui.weights.torchvision_guard import mend_torchvision

mend_torchvision()

from tests.generation.conftest import ROOT  # noqa: E402
from webui.contract.request import GenerationRequest  # noqa: E402
from webui.diffusion.conditioning import Conditioning  # noqa: E402
from webui.diffusion.denoiser import Guided  # noqa: E402
from webui.diffusion.guidance import cfg  # noqa: E402
from webui.generation.effects import Layers  # noqa: E402
from webui.plugins import Effect, PassView  # noqa: E402
from webui.weights.checkpoint import Checkpoint  # noqa: E402
from webui.weights.loading import load_checkpoint  # noqa: E402
from webui.weights.networks import UNetNetwork  # noqa: E402

SHAPES: dict[str, dict[str, Any]] = {
    "sd": {
        "block_out_channels": (32, 64, 128),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    },
    "sdxl": {
        "block_out_channels": (32, 64, 128),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 1, 2),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 24,
    },
}
SIGMAS = (10.0, 5.0, 2.5, 1.0, 0.5, 0.0)


@dataclass(frozen=True)
class Stand:
    """A network with two prompts and a noisy latent to ask it about."""

    checkpoint: Checkpoint
    cond: Conditioning
    uncond: Conditioning
    x: Tensor

    def view(self, cfg_scale: float = 7.0, hires: bool = False) -> PassView:
        """What an effect is told."""
        return PassView(self.checkpoint, cfg_scale, SIGMAS, hires)

    def denoise(
        self,
        *effects: tuple[Effect[Any], Any],
        sigma: float = 2.5,
        cfg_scale: float = 7.0,
        hires: bool = False,
    ) -> Tensor:
        """The estimate with these effects in force, as the engine joins them."""
        view = self.view(cfg_scale, hires)
        request = GenerationRequest()
        layers = Layers([effect.layer(view, request, args) for effect, args in effects])
        guided = Guided(
            layers.network(self.checkpoint.network),
            self.checkpoint.prediction,
            [self.cond],
            [self.uncond],
            cfg_scale,
            guidance=layers.guidance(cfg(cfg_scale)),
        )
        with torch.inference_mode():
            return layers.wrap(guided)(self.x * sigma, torch.tensor(sigma))


@pytest.fixture(scope="session")
def starter() -> Checkpoint:
    """The shipped starter model."""
    torch.set_num_threads(1)
    return load_checkpoint(ROOT / "models" / "starter", "cpu", torch.float32)


def _tiny(starter: Checkpoint, kind: str) -> Stand:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(5)
    unet = UNet2DConditionModel(
        sample_size=16,
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=16,
        attention_head_dim=8,
        **SHAPES[kind],
    ).eval()
    checkpoint = replace(starter, network=UNetNetwork(unet), title=f"tiny {kind}")
    sizes = torch.tensor([[128.0, 128, 0, 0, 128, 128]])
    more = {"pooled": torch.randn(1, 24), "size_ids": sizes} if kind == "sdxl" else {}
    told = [Conditioning(torch.randn(1, 77, 16), **more) for _ in range(2)]
    return Stand(checkpoint, *told, torch.randn(2, 4, 16, 12))


@pytest.fixture(scope="session", params=["sd", "sdxl", "starter"])
def stand(request: pytest.FixtureRequest, make_stand: Callable[[str], Stand]) -> Stand:
    """Each kind of network in turn."""
    return make_stand(request.param)


@pytest.fixture(scope="session")
def make_stand(starter: Checkpoint) -> Callable[[str], Stand]:
    """A function from the kind of a network to its stand; each is made once."""
    from webui.prompts.encoding import encode_prompt

    made: dict[str, Stand] = {}

    def make(kind: str) -> Stand:
        if kind not in made and kind != "starter":
            made[kind] = _tiny(starter, kind)
        elif kind not in made:
            with torch.inference_mode():
                told = [encode_prompt(starter, text) for text in ("a house, night", "")]
            torch.manual_seed(5)
            made[kind] = Stand(starter, *told, torch.randn(2, 4, 32, 24))
        return made[kind]

    return make
