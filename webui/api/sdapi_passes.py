"""The parts of a request that a body may or may not ask for: source, second pass, refiner."""

from collections.abc import Mapping
from typing import Any, cast

from starlette.exceptions import HTTPException

from webui.api.parts import Blobs
from webui.api.sdapi_masks import read_inpaint
from webui.api.sdapi_samplers import SAME, Words, hires_sampler_values
from webui.api.sdapi_table import ROWS, floor_to_eight
from webui.contract.infotext.dialects import first_pass_size
from webui.contract.request import GenerationRequest, Hires, ResizeMode, Source
from webui.contract.vocabulary import find, resolve
from webui.errors import InvalidRequest
from webui.images.decode import DecodeLimits, decode_base64

RESIZE_MODES: tuple[ResizeMode, ...] = tuple(ResizeMode)
SIDES = ("width", "height")


def read_source(sent: Mapping[str, Any], blobs: Blobs, limits: DecodeLimits) -> Source:
    """The source picture, kept among the blobs.

    Raises HTTPException 404 as the older server did where there is none, else InvalidRequest.
    """
    images = cast("list[str]", sent.get("init_images") or [])
    if not images:
        raise HTTPException(404, "Init image not found")
    if len(images) > 1:
        raise InvalidRequest(
            "init_images", "This server takes one source picture per request; send one for each."
        )
    mode = cast("int", sent.get("resize_mode", 0))
    if not 0 <= mode < len(RESIZE_MODES):
        raise InvalidRequest("resize_mode", "resize_mode must be 0, 1, 2 or 3.")
    data = decode_base64(images[0], "init_images", limits)
    return Source(
        image=blobs.put(data, "init_images"),
        resize_mode=RESIZE_MODES[mode],
        zero_strength_step=True,
        inpaint=read_inpaint(sent, blobs, limits),
    )


def hires_values(
    sent: Mapping[str, Any], base: GenerationRequest, words: Words, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The second pass; the oldest clients gave the first pass's size beside the final one.

    `values` are those of the first pass, by path.
    """
    if not sent.get("enable_hr", base.hires is not None):
        return {"hires": None}
    hires = part_values(sent, "hires.") | hires_sampler_values(sent, words)
    if "hires.upscaler" in hires:
        name = hires["hires.upscaler"]
        word = resolve("hires upscaler", words["hires_upscalers"], name, "hr_upscaler")
        hires["hires.upscaler"] = word.id
    if "denoising_strength" in sent:
        hires["hires.denoising_strength"] = sent["denoising_strength"]
    if sent.get("hr_checkpoint_name", "") not in SAME:
        name = sent["hr_checkpoint_name"]
        hires["hires.checkpoint"] = checkpoint_name(name, words, "hr_checkpoint_name")
    hires |= _oldest_sizes(sent, base, values)
    fresh = {} if base.hires else {"hires": Hires().model_dump()}
    return fresh | hires


def refiner_values(
    sent: Mapping[str, Any], base: GenerationRequest, words: Words
) -> dict[str, Any]:
    """The refiner; without a checkpoint for it there is none."""
    name = sent.get("refiner_checkpoint")
    if name is None:
        return part_values(sent, "refiner.") if base.refiner else {}
    if name in SAME or name.casefold() == "none":
        return {"refiner": None}
    checkpoint = checkpoint_name(name, words, "refiner_checkpoint")
    return {"refiner.checkpoint": checkpoint} | part_values(sent, "refiner.")


def checkpoint_name(name: str, words: Words, field: str) -> str:
    """The id of a checkpoint by any of its names, or by a part of one as the older server took it.

    Raises NotFound.
    """
    checkpoints = words.get("checkpoints", ())
    wanted = name.casefold()
    holding = [word for word in checkpoints if wanted in word.label.casefold()]
    if find(checkpoints, name) is None and holding:
        return min(holding, key=lambda word: len(word.label)).id
    return resolve("checkpoint", checkpoints, name, field).id


def part_values(sent: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The plain renamings of one part that were sent, by our paths."""
    return {
        row.path: row.convert(sent[row.name]) if row.convert else sent[row.name]
        for row in ROWS["txt2img"]
        if row.path.startswith(prefix) and sent.get(row.name) is not None
    }


def _oldest_sizes(
    sent: Mapping[str, Any], base: GenerationRequest, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Sizes of the days when width and height were those of the final picture."""
    first = [floor_to_eight(sent.get(f"firstphase_{side}", 0)) for side in SIDES]
    told = cast("Mapping[str, Any]", sent.get("override_settings", {}))
    computed = told.get("use_old_hires_fix_width_height")
    if not any(first) and not computed:
        return {}
    target = [
        cast("int", values.get(f"canvas.{side}", old))
        for side, old in zip(SIDES, (base.canvas.width, base.canvas.height), strict=True)
    ]
    if not any(first):
        first = list(first_pass_size(target[0], target[1]))
    sizes: dict[str, Any] = {}
    for side, small, large in zip(SIDES, first, target, strict=True):
        sizes |= {f"hires.{side}": large, f"canvas.{side}": small or large}
    return sizes
