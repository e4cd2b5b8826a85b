"""Colours of one picture given to another."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

LIGHT = np.array([0.299, 0.587, 0.114])
"""What red, green and blue add to luminosity."""


def match_colours(image: Image.Image, target: Image.Image) -> Image.Image:
    """`image` with the colours of `target`, which may have another size; its light stays its own.

    The histograms of `image` in CIELAB are matched to those of `target`, channel by channel; of the
    result hue and saturation are taken, and the luminosity of `image`.
    """
    plain = np.asarray(image.convert("RGB"))
    lab, wanted = _lab(plain), _lab(np.asarray(target.convert("RGB")))
    matched = np.stack([_matched(lab[..., c], wanted[..., c]) for c in range(3)], axis=-1)
    recoloured = cv2.cvtColor(matched, cv2.COLOR_LAB2RGB)
    lit = _with_light(recoloured / 255, (plain / 255) @ LIGHT)
    return Image.fromarray((lit * 255).astype(np.uint8))


def _lab(rgb: Bytes) -> Bytes:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), dtype=np.uint8)


def _matched(channel: Bytes, target: Bytes) -> Bytes:
    """`channel` with the distribution of `target`: quantile for quantile."""
    counts = np.bincount(channel.ravel(), minlength=256)
    shares = np.cumsum(counts) / channel.size
    wanted = np.bincount(target.ravel(), minlength=256)
    values = np.flatnonzero(wanted)
    wanted_shares = np.cumsum(wanted[values]) / target.size
    return np.interp(shares, wanted_shares, values).astype(np.uint8)[channel]


def _with_light(colours: Floats, light: Floats) -> Floats:
    """`colours` (H, W, 3) in [0, 1] at another luminosity (H, W), drawn back to grey to fit.

    This is the luminosity blend of the W3C's "Compositing and Blending", section 10.2.
    """
    moved = colours + (light - colours @ LIGHT)[..., None]
    grey = (moved @ LIGHT)[..., None]
    low, high = moved.min(-1, keepdims=True), moved.max(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        raised = grey + (moved - grey) * grey / (grey - low)
        moved = np.where(low < 0, raised, moved)
        lowered = grey + (moved - grey) * (1 - grey) / (high - grey)
        moved = np.where(high > 1, lowered, moved)
    return np.clip(moved, 0, 1)
