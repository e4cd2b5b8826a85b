"""From a body of the older surface to one GenerationRequest, by the table and a few old rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from webui.api.parts import Blobs
from webui.api.sdapi_effects import chosen_effects, effect_options
from webui.api.sdapi_options import check_known, request_values, winning
from webui.api.sdapi_passes import hires_values, read_source, refiner_values
from webui.api.sdapi_samplers import old_karras_range, sampler_values
from webui.api.sdapi_scripts import chosen_script
from webui.api.sdapi_table import ROWS, Mode, older_names
from webui.api.sentences import explain
from webui.contract import infotext
from webui.contract.effects import EffectForm
from webui.contract.events import Word
from webui.contract.fields import nest
from webui.contract.request import GenerationRequest, NoiseSourceName
from webui.contract.vocabulary import find
from webui.errors import InvalidRequest, WebuiError
from webui.images.decode import DecodeLimits
from webui.plugins.scripts import Script
from webui.settings import Settings

ABSENT_PARTS: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "restore_faces": ((False,), "This server has no face restoration."),
}
"""Fields without a part here: the values that ask for nothing, and the sentence for the rest."""

OF_PARTS = ("source.", "hires.", "refiner.")


@dataclass(frozen=True)
class Desk:
    """What is needed to read a body: words, places for pictures, scripts, options and settings."""

    words: Mapping[str, tuple[Word, ...]]
    blobs: Blobs
    limits: DecodeLimits
    scripts: Sequence[Script[Any]]
    options: Mapping[str, Any]
    settings: Settings
    effects: Sequence[EffectForm] = ()


def read_body(body: BaseModel, mode: Mode, desk: Desk) -> GenerationRequest:
    """The request that a body asks for.

    Raises InvalidRequest or NotFound with the older name of the field.
    """
    sent = {n: v for n, v in body if n in body.model_fields_set and v is not None}
    check_absent_parts(sent)
    override = _override(sent, desk)
    options = dict(desk.options) | override
    sampling = sampler_values(sent, desk.words, options)
    sampler = sampling.get("sampling.sampler", "euler")
    base = older_defaults(mode, desk, sent, request_values(desk.options, desk.words, sampler))
    if sent.get("infotext"):
        base = _with_infotext(base, mode, sent, desk)
    values = old_karras_range(sampling, options) | request_values(override, desk.words, sampler)
    values |= renamed(sent, mode) | sampling
    values |= request_values(winning(options), desk.words, sampler)
    if "styles" in sent:
        # Names that nothing answers to never did any harm on this surface.
        known = desk.words.get("styles", ())
        values["prompt.styles"] = tuple(n for n in sent["styles"] if find(known, n))
    parts = hires_values(sent, base, desk.words, values) if mode == "txt2img" else {}
    parts |= refiner_values(sent, base, desk.words)
    of_parts = {
        p: v
        for p, v in request_values(options, desk.words, sampler).items()
        if p.startswith(OF_PARTS)
    }
    values = _fitting(of_parts | values, base, parts) | parts
    values["script"] = chosen_script(sent, desk.scripts, mode)
    offered = desk.words.get("effects", ())
    values["effects"] = chosen_effects(
        sent, offered, desk.effects, desk.options, mode, base.effects
    )
    return built(base, values, mode)


def older_defaults(
    mode: Mode, desk: Desk, sent: Mapping[str, Any], options: Mapping[str, Any]
) -> GenerationRequest:
    """What the older surface runs when a body says nothing: Euler, 50 steps, 512x512.

    Options that were set, by our paths, fill it too.
    """
    values: dict[str, Any] = {
        row.path: row.convert(row.default) if row.convert else row.default
        for row in ROWS[mode]
        if row.path and row.default is not None and not row.path.startswith(OF_PARTS)
    }
    values |= {"sampling.sampler": "euler", "noise.source": NoiseSourceName.GPU}
    base = GenerationRequest()
    if mode == "img2img":
        base = base.model_copy(update={"source": read_source(sent, desk.blobs, desk.limits)})
    return built(base, values | _fitting(options, base, {}), mode)


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
        if row.path and row.name in sent and not row.path.startswith(("hires.", "refiner."))
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
    text, effects = sent["infotext"], desk.effects
    restored = infotext.read(text, desk.words, base, effects=effects).request
    if mode == "img2img":
        return base.model_copy(update={"noise": restored.noise})
    return restored.model_copy(update={"source": None})


def _override(sent: Mapping[str, Any], desk: Desk) -> dict[str, Any]:
    """The options for this request alone. Raises InvalidRequest for one that cannot be."""
    told = {n: v for n, v in sent.get("override_settings", {}).items() if v is not None}
    for name, value in told.items():
        effects = effect_options(desk.effects)
        check_known(name, value, desk.settings, "override_settings.", effects)
    return told


def _fitting(
    values: Mapping[str, Any], base: GenerationRequest, parts: Mapping[str, Any]
) -> dict[str, Any]:
    """Those of the values whose part is there, in `base` or among `parts`."""

    def is_there(path: str) -> bool:
        if not path.startswith(OF_PARTS):
            return True
        part = path.split(".")[0]
        if part in parts and parts[part] is None:
            return False
        return getattr(base, part) is not None or any(p.split(".")[0] == part for p in parts)

    return {path: value for path, value in values.items() if is_there(path)}
