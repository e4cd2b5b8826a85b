"""How much memory a request will need, from the headers of its model and the size of its pictures.

Nothing is loaded for it. What activations take was measured with Stable Diffusion 1.5 in single
precision and counts numbers, so that it holds for any format: an autoencoder needs about a
thousand for each pixel that it decodes at a time, a network about 250 for each pixel and row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webui.contract.request import GenerationRequest
from webui.library.catalog import ModelFile
from webui.library.headers import read_header

NETWORK, VAE, TEXTS = "network", "vae", "text encoders"
PREFIXES: Mapping[str, str] = {
    "model.diffusion_model.": NETWORK,
    "first_stage_model.": VAE,
    "vae.": VAE,
    "cond_stage_model.": TEXTS,
    "conditioner.": TEXTS,
    "text_encoders.": TEXTS,
}
FOLDERS: Mapping[str, str] = {"unet": NETWORK, "transformer": NETWORK, "vae": VAE}
LEFTOVERS = ("model_ema.",)

NUMBERS_NETWORK, NUMBERS_VAE = 250, 1000
WORKSPACE = 256 << 20
"""What libraries take for themselves while they work."""

BLOCK = 256 << 20
TILE_PIXELS = 512 * 512
HALF, SINGLE = 2, 4


@dataclass(frozen=True)
class Demand:
    """Bytes that a request needs on the device.

    `weights` has each part's, `working` is what the largest pass needs beside them, `peak` the
    most at a time by placement.
    """

    weights: Mapping[str, int]
    working: int
    peak: Mapping[str, int]


def count_numbers(file: ModelFile) -> dict[str, int]:
    """How many numbers each part of a model has. Raises UnsupportedModel, StorageError."""
    found: dict[str, int] = {NETWORK: 0, VAE: 0, TEXTS: 0}
    if file.layout == "diffusers":
        for path in sorted(file.path.glob("*/*.safetensors")):
            if not _is_variant(path):
                tensors = read_header(path).tensors.values()
                found[FOLDERS.get(path.parent.name, TEXTS)] += sum(t.numel for t in tensors)
        return found
    for name, info in read_header(file.path).tensors.items():
        if not name.startswith(LEFTOVERS):
            part = next((p for start, p in PREFIXES.items() if name.startswith(start)), NETWORK)
            found[part] += info.numel
    return found


def weigh(
    numbers: Mapping[str, int], request: GenerationRequest, size: int, tile_pixels: int
) -> Demand:
    """What `request` needs with a model of so many `numbers` of `size` bytes each.

    Pictures above `tile_pixels` are decoded in tiles; 0: never.
    """
    weights = {part: count * size for part, count in numbers.items()}
    pixels = _pixels(request)
    rows = 1 if request.sampling.cfg_scale == 1 else 2
    network = WORKSPACE + pixels * rows * NUMBERS_NETWORK * size
    decoded = TILE_PIXELS if 0 < tile_pixels < pixels else pixels
    vae = WORKSPACE + min(decoded, pixels) * NUMBERS_VAE * size
    working = {NETWORK: network, VAE: vae, TEXTS: WORKSPACE}
    most = max(working.values())
    peak = {
        "full": sum(weights.values()) + most,
        "model": max(weights[part] + working[part] for part in weights),
        "group": BLOCK + most,
    }
    return Demand(weights, most, peak)


def _pixels(request: GenerationRequest) -> int:
    """Pixels of the largest pass."""
    canvas, hires = request.canvas, request.hires
    pixels = canvas.width * canvas.height
    if hires is None:
        return pixels
    if hires.width or hires.height:
        width = hires.width or hires.height * canvas.width // canvas.height
        height = hires.height or hires.width * canvas.height // canvas.width
        return max(pixels, width * height)
    return int(pixels * hires.scale**2)


def _is_variant(path: Path) -> bool:
    """Whether a file repeats another in half precision."""
    return ".fp16" in path.suffixes and path.with_name(path.name.replace(".fp16", "")).is_file()
