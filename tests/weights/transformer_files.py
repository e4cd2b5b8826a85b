"""Small random files of transformer families: every name real, every width a fraction of it.

The names and shapes are a few blocks of public single-file layouts (transformer_layouts.json); the
widths are exchanged for smaller ones that stand in the same proportions.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

LAYOUTS = Path(__file__).with_name("transformer_layouts.json")
Shapes = dict[str, tuple[int, ...]]


def read_shapes(layout: str) -> Shapes:
    """Names and real shapes of one reduced layout."""
    listed: dict[str, list[int]] = json.loads(LAYOUTS.read_text(encoding="utf-8"))[layout]
    return {name: tuple(shape) for name, shape in listed.items()}


def narrowed(shapes: Shapes, sizes: Mapping[int, int]) -> Shapes:
    """The same with other sizes where `sizes` has one."""
    return {name: tuple(sizes.get(n, n) for n in shape) for name, shape in shapes.items()}


def prefixed(shapes: Shapes, prefix: str) -> Shapes:
    """The same under a prefix."""
    return {prefix + name: shape for name, shape in shapes.items()}


def drawn(shapes: Shapes, seed: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Tensors of these shapes: scales near 1, the rest small enough to stay finite."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            scales = name.endswith(("weight", "scale"))
            state[name] = (values * 0.1 + float(scales)).to(dtype)
        else:
            state[name] = (values * (0.7 / values[0].numel() ** 0.5)).to(dtype)
    return state


# -------------------------------------------------------------------------------- whole small files

FLUX_SIZES = {
    3072: 64, 9216: 192, 18432: 384, 12288: 256, 21504: 448, 15360: 320, 6144: 128,
    128: 32, 768: 64, 4096: 80,
}  # fmt: skip
SD3_SIZES = {
    1536: 128, 4608: 384, 9216: 768, 3072: 256, 6144: 512, 13824: 1152,
    2432: 128, 7296: 384, 14592: 768, 4864: 256, 9728: 512,
    2048: 192, 4096: 200, 147456: 256, 36864: 256,
}  # fmt: skip
CLIP_L_SIZES = {768: 64, 3072: 256}
CLIP_G_SIZES = {1280: 128, 5120: 512}
VAE_SIZES = {128: 32, 256: 64, 512: 96}


def t5_sizes(width: int) -> dict[int, int]:
    """T5 with 8 heads and room for a small vocabulary."""
    return {4096: width, 64: 8, 10240: 2 * width, 32128: 520}


def flux_shapes(layout: str) -> dict[str, Shapes]:
    """The parts of a FLUX model: transformer, vae, clip_l and t5xxl, without prefixes."""
    return {
        "transformer": narrowed(read_shapes(layout), FLUX_SIZES),
        "vae": narrowed(read_shapes("vae"), VAE_SIZES),
        "clip_l": narrowed(read_shapes("clip_l"), CLIP_L_SIZES),
        "t5xxl": narrowed(read_shapes("t5xxl"), t5_sizes(80)),
    }


def sd3_shapes(layout: str) -> dict[str, Shapes]:
    """The parts of a Stable Diffusion 3 model, without prefixes."""
    return {
        "transformer": narrowed(read_shapes(layout), SD3_SIZES),
        "vae": narrowed(read_shapes("vae"), VAE_SIZES),
        "clip_l": narrowed(read_shapes("clip_l"), CLIP_L_SIZES),
        "clip_g": narrowed(read_shapes("clip_g"), CLIP_G_SIZES),
        "t5xxl": narrowed(read_shapes("t5xxl"), t5_sizes(200)),
    }


def write_parts(folder: Path, parts: Mapping[str, Shapes], seed: int = 0) -> dict[str, Path]:
    """Every part in a file of its own, as they are published."""
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}
    for place, (name, shapes) in enumerate(parts.items()):
        written[name] = folder / f"{name}.safetensors"
        save_file(drawn(shapes, seed + place), written[name])
    return written


def write_whole(path: Path, parts: Mapping[str, Shapes], vae: str, seed: int = 0) -> Path:
    """All parts in one file, with the same numbers as `write_parts` gives them."""
    state: dict[str, Tensor] = {}
    for place, (name, shapes) in enumerate(parts.items()):
        prefix = {"transformer": "model.diffusion_model.", "vae": vae}.get(
            name, f"text_encoders.{name}.transformer."
        )
        state |= {prefix + n: t for n, t in drawn(shapes, seed + place).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)
    return path
