"""From a body of the older surface to one GenerationRequest, by the table and a few old rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from webui.api.parts import Blobs
from webui.api.sdapi_options import check_known, request_values
from webui.api.sdapi_scripts import chosen_effects, chosen_script
from webui.api.sdapi_table import ROWS, Mode, floor_to_eight, older_names
from webui.api.sentences import explain
from webui.contract import infotext
from webui.contract.events import Word
from webui.contract.fields import nest
from webui.contract.infotext.dialects import split_sampler
from webui.contract.request import GenerationRequest, Hires, NoiseSourceName, ResizeMode, Source
from webui.contract.vocabulary import find, resolve
from webui.errors import InvalidRequest, WebuiError
from webui.images.decode import DecodeLimits, decode_base64
from webui.plugins.scripts import Script

RESIZE_MODES: tuple[ResizeMode, ...] = tuple(ResizeMode)
SAME = ("", "None", "Use same checkpoint", "Use same sampler", "Use same scheduler")
ABSENT_PARTS: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "mask": (("",), "This server paints whole pictures; it cannot take a mask."),
    "restore_faces": ((False,), "This server has no face restoration."),
    "s_min_uncond": ((0,), "This server has no negative guidance minimum sigma."),
    "refiner_checkpoint": (SAME, "This server runs one checkpoint per picture, no refiner."),
    "hr_checkpoint_name": (SAME, "The second pass runs with the checkpoint of the first."),
}
"""Fields without a part here: the values that ask for nothing, and the sentence for the rest."""


@dataclass(frozen=True)
class Desk:
    """What is needed to read a body: words, places for pictures, scripts, and set options."""

    words: Mapping[str, tuple[Word, ...]]
    blobs: Blobs
    limits: DecodeLimits
    scripts: Sequence[Script[Any]]
    options: Mapping[str, Any]


def read_body(body: BaseModel, mode: Mode, desk: Desk) -> GenerationRequest:
    """The request that a body asks for.

    Raises InvalidRequest or NotFound with the older name of the field.
    """
    sent = {n: v for n, v in body if n in body.model_fields_set and v is not None}
    check_absent_parts(sent)
    sampling = _sampler_values(sent, desk)
    base = older_defaults(mode, desk, sent, sampling.get("sampling.sampler", "euler"))
    if sent.get("infotext"):
        base = _with_infotext(base, mode, sent, desk)
    values = renamed(sent, mode) | sampling
    values |= _override_values(sent, mode, values.get("sampling.sampler", base.sampling.sampler))
    if "styles" in sent:
        # Names that nothing answers to never did any harm on this surface.
        known = desk.words.get("styles", ())
        values["prompt.styles"] = tuple(n for n in sent["styles"] if find(known, n))
    values |= _hires_values(sent, base, desk, values) if mode == "txt2img" else {}
    values["script"] = chosen_script(sent, desk.scripts, mode)
    if "alwayson_scripts" in sent:
        values["effects"] = chosen_effects(sent, desk.words.get("effects", ()))
    return built(base, values, mode)


def older_defaults(
    mode: Mode, desk: Desk, sent: Mapping[str, Any], sampler: str
) -> GenerationRequest:
    """What the older surface runs when a body says nothing: Euler, 50 steps, 512x512.

    Options that were set fill it too; `sampler` says which of them count.
    """
    values: dict[str, Any] = {
        row.path: row.convert(row.default) if row.convert else row.default
        for row in ROWS[mode]
        if row.path and row.default is not None and not row.path.startswith(("hires.", "source."))
    }
    values |= {"sampling.sampler": "euler", "noise.source": NoiseSourceName.GPU}
    base = GenerationRequest()
    if mode == "img2img":
        base = base.model_copy(update={"source": _source(sent, desk)})
    values |= request_values(desk.options, mode, sampler)
    return built(base, values, mode)


def built(base: GenerationRequest, values: Mapping[str, Any], mode: Mode) -> GenerationRequest:
    """`base` with values by path; a wrong one is an InvalidRequest in the older words."""
    try:
        return nest(base, dict(values))
    except ValidationError as error:
        found = error.errors(include_url=False)
        first = explain(found, GenerationRequest, older_names(mode))[0]
        raise InvalidRequest(first.field, first.sentence) from error


def renamed(sent: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    """The values of all plain renamings that were sent, by our paths."""
    return {
        row.path: row.convert(sent[row.name]) if row.convert else sent[row.name]
        for row in ROWS[mode]
        if row.path and row.name in sent and not row.path.startswith("hires.")
    }


def rename_field(error: WebuiError, mode: Mode) -> None:
    """Give an error the name that the older surface has for its field."""
    field = str(getattr(error, "field", ""))
    name = older_names(mode).get(field, field)
    if name != field:
        cast("Any", error).field = name


def check_absent_parts(sent: Mapping[str, Any]) -> None:
    """Raise InvalidRequest for a field whose part does not exist here, if it would do something."""
    for name, (neutral, sentence) in ABSENT_PARTS.items():
        if name in sent and sent[name] not in neutral:
            raise InvalidRequest(name, sentence)


def _with_infotext(
    base: GenerationRequest, mode: Mode, sent: Mapping[str, Any], desk: Desk
) -> GenerationRequest:
    """The text fills what the body leaves open; for img2img that was only ever the noise."""
    restored = infotext.read(sent["infotext"], desk.words, base).request
    if mode == "img2img":
        return base.model_copy(update={"noise": restored.noise})
    return restored.model_copy(update={"source": None})


def _sampler_values(sent: Mapping[str, Any], desk: Desk) -> dict[str, Any]:
    field = "sampler_name" if sent.get("sampler_name") else "sampler_index"
    values = _split_sampler(sent.get(field, ""), field, desk)
    if sent.get("scheduler"):
        word = resolve("schedule type", desk.words["schedules"], sent["scheduler"], "scheduler")
        values["schedule"] = word.id
    return {f"sampling.{name}": value for name, value in values.items()}


def _split_sampler(name: str, field: str, desk: Desk) -> dict[str, str]:
    """Ids of the sampler and, where a combined name holds one, the schedule."""
    samplers, schedules = desk.words["samplers"], desk.words["schedules"]
    if not name or name in SAME:
        return {}
    parts = None if find(samplers, name) else split_sampler(name, samplers, schedules)
    if parts:
        return {"sampler": parts[0].id, "schedule": parts[1].id}
    return {"sampler": resolve("sampler", samplers, name, field).id}


def _override_values(sent: Mapping[str, Any], mode: Mode, sampler: str) -> dict[str, Any]:
    told = {n: v for n, v in sent.get("override_settings", {}).items() if v is not None}
    for name, value in told.items():
        check_known(name, value, "override_settings.")
    return request_values(told, mode, sampler)


def _hires_values(
    sent: Mapping[str, Any], base: GenerationRequest, desk: Desk, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The second pass; the oldest clients gave the first pass's size beside the final one."""
    if not sent.get("enable_hr", base.hires is not None):
        return {"hires": None}
    hires: dict[str, Any] = {
        row.path: row.convert(sent[row.name]) if row.convert else sent[row.name]
        for row in ROWS["txt2img"]
        if row.path.startswith("hires.") and sent.get(row.name) is not None
    }
    if "hires.upscaler" in hires:
        upscalers = desk.words["hires_upscalers"]
        hires["hires.upscaler"] = resolve(
            "hires upscaler", upscalers, hires["hires.upscaler"], "hr_upscaler"
        ).id
    if "denoising_strength" in sent:
        hires["hires.denoising_strength"] = sent["denoising_strength"]
    for name, value in _split_sampler(
        sent.get("hr_sampler_name", ""), "hr_sampler_name", desk
    ).items():
        hires[f"hires.{name}"] = value
    if sent.get("hr_scheduler", "") not in SAME:
        word = resolve(
            "schedule type", desk.words["schedules"], sent["hr_scheduler"], "hr_scheduler"
        )
        hires["hires.schedule"] = word.id
    first = [floor_to_eight(sent.get(f"firstphase_{side}", 0)) for side in ("width", "height")]
    if any(first):
        target = (base.canvas.width, base.canvas.height)
        for side, small, old in zip(("width", "height"), first, target, strict=True):
            hires[f"hires.{side}"] = values.get(f"canvas.{side}", old)
            hires[f"canvas.{side}"] = small or hires[f"hires.{side}"]
    fresh = {} if base.hires else {"hires": Hires().model_dump()}
    return fresh | hires


def _source(sent: Mapping[str, Any], desk: Desk) -> Source:
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
    data = decode_base64(images[0], "init_images", desk.limits)
    return Source(
        image=desk.blobs.put(data, "init_images"),
        resize_mode=RESIZE_MODES[mode],
        zero_strength_step=True,
    )
