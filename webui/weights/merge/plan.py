"""What becomes of every tensor of the primary model: mixed, taken from a VAE, kept, left out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from webui.contract.merging import MergeRequest
from webui.errors import ModelMismatch, UnsupportedModel
from webui.library.entries import TensorInfo
from webui.library.headers import Header
from webui.library.identify import identify
from webui.library.identify.networks import PREFIX, VAES
from webui.weights.merge.tensors import is_float

Act = Literal["keep", "mix", "mix_channels", "vae"]
SCHEDULE = re.compile(
    r"(betas$|alphas_|sqrt_|log_one|posterior_|lvlb_|logvar|denoiser\.|edm_|v_pred$|ztsnr$)"
)
"""A model's noise levels and marks are no weights: they stay as A has them."""
POSITIONS = "position_ids"
PACKED = (".scale_weight", "scaled_fp8", ".absmax", ".weight_scale")
SUFFIXES = {9: ".inpainting", 8: ".instruct-pix2pix"}
PLAIN_CHANNELS = 4
PRECISIONS = {"fp16": "F16", "bf16": "BF16", "fp32": "F32"}
LOSS = "loss."


@dataclass(frozen=True)
class Step:
    """What becomes of one tensor, and under which names the others have it."""

    act: Act
    out: TensorInfo
    other: str = ""
    origin: str | None = None


def make_plan(
    asked: MergeRequest, a: Header, b: Header | None, c: Header | None, vae: Header | None
) -> dict[str, Step]:
    """The step for every tensor of the result, by name.

    Raises ModelMismatch where the models do not belong together, UnsupportedModel where one is
    kept in packed numbers.
    """
    for header in (a, b, c):
        if header is not None:
            _check_plain(header)
    if b is not None:
        _check_family(a, b, c)
    baked = {} if vae is None else _baked(a, vae)
    discard = re.compile(asked.discard) if asked.discard else None
    steps: dict[str, Step] = {}
    for name, info in a.tensors.items():
        if discard is None or not discard.search(name):
            out = _stored(name, info, asked.precision)
            steps[name] = _baked_step(name, baked, out) or _step(name, info, out, b, c)
    if b is not None and not any(step.act.startswith("mix") for step in steps.values()):
        raise ModelMismatch("The models have no weights in common: there is nothing to merge.")
    return steps


def suffix_of(steps: Mapping[str, Step]) -> str:
    """What the name of a model ends with that was merged with one of fewer inputs."""
    widths = [step.out.shape[1] for step in steps.values() if step.act == "mix_channels"]
    return SUFFIXES[widths[0]] if widths else ""


def _check_plain(header: Header) -> None:
    if any(name.endswith(PACKED) for name in header.tensors):
        raise UnsupportedModel(
            "One of the models is kept in scaled 8-bit or 4-bit numbers, which cannot be mixed. "
            "Merge the 16-bit files."
        )


def _check_family(a: Header, b: Header, c: Header | None) -> None:
    families = {identify(header).family for header in (a, b, c) if header is not None}
    if len(families - {""}) > 1:
        raise ModelMismatch(f"The models belong to different families: {', '.join(families)}.")


def _step(name: str, info: TensorInfo, out: TensorInfo, b: Header | None, c: Header | None) -> Step:
    """Mixed where B has it too and it is a weight; kept as A has it everywhere else."""
    if b is None or not is_float(info) or SCHEDULE.match(name) or POSITIONS in name:
        return Step("keep", out)
    other, origin = twin(name, b), None if c is None else twin(name, c)
    if other is None or not is_float(b.tensors[other]):
        return Step("keep", out)
    if c is not None and (origin is None or c.shape(origin) != b.shape(other)):
        return Step("keep", out)  # a weight that C lacks makes no difference
    shape = b.tensors[other].shape
    if shape == info.shape:
        return Step("mix", out, other, origin)
    if name.endswith("input_blocks.0.0.weight") and _narrower(info.shape, shape):
        return Step("mix_channels", out, other, origin)
    swap = name.endswith("input_blocks.0.0.weight") and _narrower(shape, info.shape)
    raise ModelMismatch(
        "Only B sees a mask or a source: choose the inpainting or editing model as A."
        if swap
        else "The models are built differently and cannot be merged.",
        f"{name} is {info.shape} in A and {shape} in B",
    )


def _narrower(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether B sees the latent alone where A sees a mask or a source besides."""
    if len(a) != len(b) or (a[0], *a[2:]) != (b[0], *b[2:]):
        return False
    return a[1] in SUFFIXES and b[1] == PLAIN_CHANNELS


def twin(name: str, header: Header) -> str | None:
    """The name of the same tensor in another file, where the network may stand without prefix."""
    for candidate in (name, name.removeprefix(PREFIX), PREFIX + name):
        if candidate in header.tensors:
            return candidate
    return None


def _baked(a: Header, vae: Header) -> dict[str, str]:
    """Names in A by what the VAE file calls them. Raises ModelMismatch where they do not fit."""
    prefix = next((p for p in VAES if a.has(p)), None)
    if prefix is None:
        raise ModelMismatch("The primary model holds no VAE that another one could replace.")
    inside = next((p for p in (*VAES, "") if vae.has(f"{p}decoder.")), "")
    names = {prefix + n.removeprefix(inside): n for n in vae.names(inside) if LOSS not in n}
    fits = {n: own for n, own in names.items() if a.shape(n) == vae.shape(own)}
    if not fits or len(fits) < sum(1 for n in a.names(prefix) if LOSS not in n):
        raise ModelMismatch(
            "The VAE is not of the kind that the primary model has: it cannot be baked in."
        )
    return fits


def _baked_step(name: str, baked: Mapping[str, str], out: TensorInfo) -> Step | None:
    return Step("vae", out, baked[name]) if name in baked else None


def _stored(name: str, info: TensorInfo, precision: str) -> TensorInfo:
    """In which numbers a tensor is written: noise levels stay exact."""
    if not precision or not is_float(info) or SCHEDULE.match(name) or not info.shape:
        return info
    return TensorInfo(PRECISIONS[precision], info.shape)
