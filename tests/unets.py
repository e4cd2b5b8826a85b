"""Tiny random checkpoints of every UNet family, in the original layout with all its names.

Only widths and depths are small: the hashes in `tests/weights/test_unet_families.py` show that the
same code with the published numbers gives the published names and shapes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests import tiny
from webui.library.vocabularies import CLIP_SIZE

Named = Iterator[tuple[str, tuple[int, ...]]]

SIZE_IDS = 6 * 256
SCORE_IDS = 5 * 256


@dataclass(frozen=True)
class Unet:
    """The numbers that a UNet's names and shapes follow from.

    `depths` are the transformer blocks of each level, 0 for none, and `middle` those in between;
    `numbers` the width of what is told beside the text, 0 for none.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    middle: int
    context: int
    linear: bool = True
    channels: int = 4
    numbers: int = 0


@dataclass(frozen=True)
class Model:
    """A whole checkpoint: its UNet, the widths of its VAE, and its text encoders by prefix."""

    unet: Unet
    vae: tuple[int, ...]
    texts: tuple[tuple[str, int, int], ...]


SD1 = Model(Unet((320, 640, 1280, 1280), (1, 1, 1, 0), 1, 768, linear=False),
            (128, 256, 512, 512), (("cond_stage_model.transformer.", 768, 12),))  # fmt: skip
SD2 = Model(Unet((320, 640, 1280, 1280), (1, 1, 1, 0), 1, 1024),
            (128, 256, 512, 512), (("cond_stage_model.model.", 1024, 24),))  # fmt: skip
SDXL = Model(
    Unet((320, 640, 1280), (0, 2, 10), 10, 2048, numbers=1280 + SIZE_IDS),
    (128, 256, 512, 512),
    (
        ("conditioner.embedders.0.transformer.", 768, 12),
        ("conditioner.embedders.1.model.", 1280, 32),
    ),
)
REFINER = Model(
    Unet((384, 768, 1536, 1536), (0, 4, 4, 0), 4, 1280, numbers=1280 + SCORE_IDS),
    (128, 256, 512, 512),
    (("conditioner.embedders.0.model.", 1280, 32),),
)

VAE = (32, 32, 64, 64)
TINY_SD1 = Model(Unet((32, 32, 64, 64), (1, 1, 1, 0), 1, 32, linear=False), VAE,
                 (("cond_stage_model.transformer.", 32, 2),))  # fmt: skip
TINY_SD2 = Model(Unet((32, 64, 64, 64), (1, 1, 1, 0), 1, 64), VAE,
                 (("cond_stage_model.model.", 64, 3),))  # fmt: skip
TINY_SDXL = Model(
    Unet((32, 64, 128), (0, 1, 2), 2, 96, numbers=64 + SIZE_IDS), VAE,
    (("conditioner.embedders.0.transformer.", 32, 2), ("conditioner.embedders.1.model.", 64, 3)),
)  # fmt: skip
TINY_REFINER = Model(
    Unet((32, 64, 64, 64), (0, 2, 2, 0), 2, 64, numbers=64 + SCORE_IDS), VAE,
    (("conditioner.embedders.0.model.", 64, 3),),
)  # fmt: skip
TINY = {
    "sd1": TINY_SD1, "sd2": TINY_SD2, "sdxl": TINY_SDXL, "sdxl_refiner": TINY_REFINER,
}  # fmt: skip
CHANNELS = {"inpaint": 9, "edit": 8}


def model_of(name: str) -> Model:
    """The tiny model of a row of the table, as `sd2_v` or `sdxl_inpaint`."""
    base = next(base for base in sorted(TINY, key=len, reverse=True) if name.startswith(base))
    channels = CHANNELS.get(name.removeprefix(base).strip("_"), 4)
    model = TINY[base]
    return replace(model, unet=replace(model.unet, channels=channels))


def write_model(
    path: Path, name: str, seed: int = 0, metadata: dict[str, str] | None = None
) -> Path:
    """Write a tiny checkpoint of the row called `name`, in half precision."""
    state = tiny.random_tensors(shapes_of(model_of(name)), seed, torch.float16)
    if name.endswith("_v"):
        state["v_pred"] = torch.zeros(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata)
    return path


def shapes_of(model: Model, words: int = CLIP_SIZE) -> tiny.Shapes:
    """Every weight of a single file by its name."""
    shapes = {f"model.diffusion_model.{n}": s for n, s in _unet(model.unet)}
    shapes |= {f"first_stage_model.{n}": s for n, s in tiny.vae_shapes(model.vae)}
    for prefix, width, layers in model.texts:
        tower = _open_clip if prefix.endswith(".model.") else _clip
        shapes |= {prefix + n: s for n, s in tower(width, layers, words)}
    return shapes


def _clip(width: int, layers: int, words: int) -> Named:
    for name, shape in tiny.clip_shapes(width, layers, words):
        yield f"text_model.{name}", shape


def _open_clip(width: int, layers: int, words: int) -> Named:
    yield "positional_embedding", (77, width)
    yield "text_projection", (width, width)
    yield "logit_scale", ()
    yield "token_embedding.weight", (words, width)
    yield from tiny.affine("ln_final", width)
    for index in range(layers):
        block = f"transformer.resblocks.{index}"
        yield f"{block}.attn.in_proj_weight", (3 * width, width)
        yield f"{block}.attn.in_proj_bias", (3 * width,)
        yield from tiny.affine(f"{block}.attn.out_proj", width, width)
        yield from tiny.affine(f"{block}.ln_1", width)
        yield from tiny.affine(f"{block}.ln_2", width)
        yield from tiny.affine(f"{block}.mlp.c_fc", width * 4, width)
        yield from tiny.affine(f"{block}.mlp.c_proj", width, width * 4)


def _unet(unet: Unet) -> Named:
    widths, depths = unet.widths, unet.depths
    base, time = widths[0], widths[0] * 4
    yield from tiny.affine("time_embed.0", time, base)
    yield from tiny.affine("time_embed.2", time, time)
    if unet.numbers:
        yield from tiny.affine("label_emb.0.0", time, unet.numbers)
        yield from tiny.affine("label_emb.0.2", time, time)
    yield from tiny.affine("input_blocks.0.0", base, unet.channels, 3, 3)
    skips, width, block = [base], base, 1
    for level, out in enumerate(widths):
        for _ in range(2):
            yield from tiny.unet_block(f"input_blocks.{block}", width, out, time)
            yield from _attention(f"input_blocks.{block}.1", out, depths[level], unet)
            width, block = out, block + 1
            skips.append(width)
        if level < len(widths) - 1:
            yield from tiny.affine(f"input_blocks.{block}.0.op", width, width, 3, 3)
            block += 1
            skips.append(width)
    yield from tiny.unet_block("middle_block", width, width, time, "0")
    yield from _attention("middle_block.1", width, unet.middle, unet)
    yield from tiny.unet_block("middle_block", width, width, time, "2")
    block = 0
    for level, out in reversed(list(enumerate(widths))):
        for index in range(3):
            yield from tiny.unet_block(f"output_blocks.{block}", width + skips.pop(), out, time)
            yield from _attention(f"output_blocks.{block}.1", out, depths[level], unet)
            if level and index == 2:
                place = f"output_blocks.{block}.{1 + bool(depths[level])}.conv"
                yield from tiny.affine(place, out, out, 3, 3)
            width, block = out, block + 1
    yield from tiny.affine("out.0", width)
    yield from tiny.affine("out.2", 4, width, 3, 3)


def _attention(name: str, width: int, depth: int, unet: Unet) -> Named:
    if not depth:
        return
    kernel = () if unet.linear else (1, 1)
    yield from tiny.affine(f"{name}.norm", width)
    yield from tiny.affine(f"{name}.proj_in", width, width, *kernel)
    for index in range(depth):
        yield from tiny.transformer_block(f"{name}.transformer_blocks.{index}", width, unet.context)
    yield from tiny.affine(f"{name}.proj_out", width, width, *kernel)
