"""A LoRA (Hu and others 2021) for the ink checkpoint: evening colours washed over the drawing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from webui.starter.gallery import Theme
from webui.starter.ink import draw_ink
from webui.starter.scenes import Rendering, Scene

RANK = 4
RATE = 4e-3
WASH = ((122, 84, 150), (250, 132, 74), (228, 150, 96))
"""Colours of the wash at the top, on the horizon and at the bottom."""

UNET, TEXT = "lora_unet", "lora_te"
INNER = "text_model."


def draw_washed(scene: Scene, size: int) -> Rendering:
    """Render an ink drawing under a wash of evening colours."""
    made = draw_ink(scene, size)
    rows = np.linspace(0.0, 1.0, size)
    places = (0.0, scene.horizon, 1.0)
    wash = np.stack([np.interp(rows, places, channel) for channel in np.array(WASH).T], 1)
    picture = made.picture * (wash[:, None] / 255.0)
    return replace(made, picture=picture.round().astype(np.uint8))


WASHED = Theme("washed", 7_000_000, lambda scene: scene.light != "night", draw_washed)


class LowRank(nn.Module):
    """A change of one layer by two thin matrices; the second begins at zero."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, rank: int) -> None:
        """Make the matrices for ``layer``, and let it add what they give."""
        super().__init__()
        if isinstance(layer, nn.Conv2d):
            self.down: nn.Module = nn.Conv2d(layer.in_channels, rank, 1, bias=False)
            self.up: nn.Module = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        else:
            self.down = nn.Linear(layer.in_features, rank, bias=False)
            self.up = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)
        layer.register_forward_hook(lambda _, given, made: made + self.up(self.down(given[0])))


class LoraNetwork(nn.Module):
    """Every low-rank change of a checkpoint, under the names that kohya's files have."""

    def __init__(self, unet: nn.Module, text: nn.Module, seed: int, rank: int = RANK) -> None:
        """Hook changes into the attention of both networks."""
        super().__init__()
        torch.manual_seed(seed)
        self.rank = rank
        self.changes = nn.ModuleDict()
        for prefix, network in ((UNET, unet), (TEXT, text)):
            for name, layer in list_layers(network):
                self.changes[f"{prefix}_{name.replace('.', '_')}"] = LowRank(layer, rank)

    def pack(self) -> dict[str, torch.Tensor]:
        """Name the tensors as kohya's files do, in half precision; alpha equals the rank."""
        packed: dict[str, torch.Tensor] = {}
        for name, change in self.changes.items():
            packed[f"{name}.lora_down.weight"] = change.down.weight
            packed[f"{name}.lora_up.weight"] = change.up.weight
            packed[f"{name}.alpha"] = torch.tensor(float(self.rank))
        return packed

    def describe(self, title: str) -> dict[str, str]:
        """Say in a file's metadata what its readers look for there."""
        return {
            "ss_network_module": "networks.lora",
            "ss_network_dim": str(self.rank),
            "ss_network_alpha": str(float(self.rank)),
            "ss_output_name": title,
            "modelspec.title": title,
        }


def list_layers(network: nn.Module) -> list[tuple[str, nn.Linear | nn.Conv2d]]:
    """List the layers that are changed: those of transformers and of the text encoder."""
    found = []
    for name, layer in network.named_modules():
        inside = ".attentions." in name or "encoder.layers." in name
        if not inside or not isinstance(layer, nn.Linear | nn.Conv2d):
            continue
        if "encoder.layers." in name and not name.startswith(INNER):
            name = INNER + name  # transformers 5 leaves the inner name out in some classes
        found.append((name, layer))
    return found
