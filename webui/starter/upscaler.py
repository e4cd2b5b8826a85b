"""Small upscalers built as ESRGAN's generator (Wang and others 2018), trained on sharp scenes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import nn

from webui.starter.gallery import Gallery, to_pixels
from webui.starter.states import seed_step

WIDTH, GROWTH, BLOCKS = 16, 32, 1
"""Channels, channels a dense layer adds (readers of such files expect 32), and blocks."""

SLOPE, RESIDUAL = 0.2, 0.2
CROP = 96
RATE = 1e-3


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees all before it."""

    def __init__(self) -> None:
        """Make the convolutions."""
        super().__init__()
        for index in range(4):
            conv = nn.Conv2d(WIDTH + index * GROWTH, GROWTH, 3, padding=1)
            self.add_module(f"conv{index + 1}", conv)
        self.conv5 = nn.Conv2d(WIDTH + 4 * GROWTH, WIDTH, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [b, c, h, w] to the same shape."""
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, nn.functional.leaky_relu(conv(seen), SLOPE)), 1)
        return x + RESIDUAL * self.conv5(seen)


class ResidualBlock(nn.Module):
    """Three dense blocks within a residual."""

    def __init__(self) -> None:
        """Make the dense blocks."""
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = DenseBlock(), DenseBlock(), DenseBlock()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [b, c, h, w] to the same shape."""
        return x + RESIDUAL * self.rdb3(self.rdb2(self.rdb1(x)))


class Upscaler(nn.Module):
    """Enlarges pictures [b, rgb, h, w] in [0, 1] by ``scale``, 2 or 4."""

    def __init__(self, scale: int) -> None:
        """Make the network, which begins by enlarging smoothly."""
        super().__init__()
        self.conv_first = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock() for _ in range(BLOCKS)))
        self.conv_body = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.steps = {2: 1, 4: 2}[scale]
        for index in range(self.steps):
            self.add_module(f"conv_up{index + 1}", nn.Conv2d(WIDTH, WIDTH, 3, padding=1))
        self.conv_hr = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.conv_last = nn.Conv2d(WIDTH, 3, 3, padding=1)
        start_smooth(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Enlarge."""
        features = self.conv_first(x)
        features = features + self.conv_body(self.body(features))
        for index in range(self.steps):
            larger = nn.functional.interpolate(features, scale_factor=2.0, mode="nearest")
            conv = self.get_submodule(f"conv_up{index + 1}")
            features = nn.functional.leaky_relu(conv(larger), SLOPE)
        return self.conv_last(nn.functional.leaky_relu(self.conv_hr(features), SLOPE))


@torch.no_grad()
def start_smooth(model: Upscaler) -> None:
    """Let the first three channels carry the colours through, smoothed after each doubling.

    Colours are not negative, so the activations let them pass.
    """
    side = torch.tensor((0.25, 0.5, 0.25))
    smooth, single = side[:, None] * side, torch.zeros(3, 3)
    single[1, 1] = 1.0
    nn.init.zeros_(model.conv_body.weight)
    for name, conv in model.named_children():
        if not isinstance(conv, nn.Conv2d) or name == "conv_body":
            continue
        if name == "conv_last":
            conv.weight *= 0.1
        conv.weight[:3] = 0
        conv.bias[:3] = 0
        for channel in range(3):
            kernel = smooth if name.startswith("conv_up") else single
            conv.weight[channel, channel] = kernel


@dataclass
class UpscalerLesson:
    """Crops of sharp pictures and what is left of them when they are small, blurred or noisy."""

    gallery: Gallery
    model: Upscaler
    scale: int
    batch: int
    device: str
    seed: int
    stage: int

    def learn(self, step: int) -> torch.Tensor:
        """Enlarge the small crops of ``step``; returns the mean absolute error."""
        _, rng = seed_step(self.seed, step, self.stage)
        crops = [self.cut(rng) for _ in range(self.batch)]
        small = np.stack([shrink(crop, self.scale, rng) for crop in crops])
        target = to_pixels(np.stack(crops), self.device) / 2 + 0.5
        given = to_pixels(small, self.device) / 2 + 0.5
        # In full precision: bfloat16 cannot tell neighbouring shades of white apart.
        return (self.model(given) - target).abs().mean()

    def cut(self, rng: np.random.Generator) -> np.ndarray:
        """Cut a crop [96, 96, rgb], turned or mirrored at random."""
        pictures = self.gallery.pictures
        picture = pictures[int(rng.integers(len(pictures)))]
        y, x = (int(v) for v in rng.integers(0, self.gallery.size - CROP + 1, 2))
        crop = picture[y : y + CROP, x : x + CROP]
        crop = crop[:, ::-1] if rng.random() < 0.5 else crop
        return np.rot90(crop, int(rng.integers(4)))


def shrink(crop: np.ndarray, scale: int, rng: np.random.Generator) -> np.ndarray:
    """Make the small picture of a crop, now and then with the faults that pictures have."""
    crop = np.ascontiguousarray(crop)
    if rng.random() < 0.5:
        crop = cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.2, 0.5)) * scale)
    ways = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LINEAR)
    side = crop.shape[0] // scale
    small = cv2.resize(crop, (side, side), interpolation=ways[int(rng.integers(4))])
    if rng.random() < 0.4:
        noise = rng.normal(0.0, rng.uniform(1.0, 6.0), small.shape)
        small = np.clip(small + noise, 0, 255).round().astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
        small = cv2.imdecode(cv2.imencode(".jpg", small, quality)[1], cv2.IMREAD_COLOR)
    return small
