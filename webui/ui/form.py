"""Values by path <-> a request: the one place where a form is read and filled."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from webui.contract.effects import EffectForm
from webui.contract.fields import get, leaves, nest
from webui.contract.request import Blob, GenerationRequest, ScriptCall
from webui.errors import InvalidRequest
from webui.plugins.scripts import Script
from webui.ui.arguments import fault, read_arguments, show_arguments
from webui.ui.effects import collect_effects, fill_effects
from webui.ui.layout import LAYOUTS, Mode, fields, parts, shown
from webui.ui.widgets import from_component, optional, to_component

Values = dict[str, Any]
Scripts = Sequence[Script[Any]]

LEAVES = leaves(GenerationRequest)
SCRIPT = "script"
NO_SCRIPT = ""
RESIZE_CHOICE = "resize_choice"
RESIZE_BY = "resize_by"
TO, BY = "to", "by"


def tick(part: str) -> str:
    """The name under which a part's tick stands among the values."""
    return f"tick:{part}"


def argument(script: str, path: str) -> str:
    """The name under which a script's argument stands among the values."""
    return f"script:{script}:{path}"


def collect(
    mode: Mode, values: Mapping[str, Any], scripts: Scripts = (), effects: Sequence[EffectForm] = ()
) -> GenerationRequest:
    """The request that a tab's values say.

    Raises InvalidRequest with the path and a sentence that names the field.
    """
    given = {
        path: from_component(LEAVES[path], values[path]) for path in shown(mode) if path in values
    }
    for part in parts(LAYOUTS[mode]):
        if not values.get(tick(part.name)):
            for field in fields(part):
                given.pop(field.path, None)
    if mode == "img2img":
        given["source.image"] = _source(values)
        given.update(_resized_by(values))
    _refuse_blanks(given)
    call = _script_call(values, scripts)
    try:
        request = nest(GenerationRequest(), given)
    except ValidationError as error:
        raise fault(error.errors()[0], LEAVES) from error
    return request.model_copy(update={"script": call, "effects": collect_effects(values, effects)})


def fill(
    mode: Mode,
    request: GenerationRequest,
    scripts: Scripts = (),
    effects: Sequence[EffectForm] = (),
) -> Values:
    """The values that make a tab say `request`; parts that it lacks go back to their defaults.

    A request without a source leaves the source's controls as they are.
    """
    filled: Values = {}
    for path in shown(mode):
        if path.startswith("source.") and request.source is None:
            continue
        value = get(request, path)
        absent = value is None and not optional(LEAVES[path].annotation)
        filled[path] = to_component(LEAVES[path], LEAVES[path].default if absent else value)
    image = filled.pop("source.image", None)
    if isinstance(image, Blob):
        filled["source.image"] = {"sha256": image.sha256}
    for part in parts(LAYOUTS[mode]):
        filled[tick(part.name)] = _is_used(request, [field.path for field in fields(part)])
    if mode == "img2img":
        filled[RESIZE_CHOICE] = TO
    filled.update(_fill_script(request.script, [s for s in scripts if mode in s.modes]))
    filled.update(fill_effects(request.effects, effects))
    return filled


def nearest_size(path: str, pixels: float) -> int:
    """The allowed value of a size field that comes closest below `pixels`."""
    leaf = LEAVES[path]
    grain = int(leaf.multiple_of or 1)
    floor = int(pixels) // grain * grain
    return int(min(max(floor, leaf.low or 0), leaf.high or floor))


def _refuse_blanks(given: Mapping[str, Any]) -> None:
    for path, value in given.items():
        if value is None and not optional(LEAVES[path].annotation):
            raise InvalidRequest(path, f"{LEAVES[path].param.label} is empty.")


def _source(values: Mapping[str, Any]) -> Blob:
    image = values.get("source.image")
    sha256 = image.get("sha256") if isinstance(image, dict) else None
    if not sha256:
        raise InvalidRequest("source.image", "Choose a source image first: drop or paste one.")
    try:
        return Blob(sha256=sha256)
    except ValidationError as error:
        raise InvalidRequest("source.image", "The source image is not known here.") from error


def _resized_by(values: Mapping[str, Any]) -> Values:
    image = values.get("source.image")
    if values.get(RESIZE_CHOICE) != BY or not isinstance(image, dict):
        return {}
    scale = values.get(RESIZE_BY)
    width, height = image.get("width"), image.get("height")
    if not (isinstance(width, int) and isinstance(height, int) and isinstance(scale, int | float)):
        raise InvalidRequest("canvas.width", "The size of the source image is not known yet.")
    return {
        "canvas.width": nearest_size("canvas.width", width * scale),
        "canvas.height": nearest_size("canvas.height", height * scale),
    }


def _script_call(values: Mapping[str, Any], scripts: Scripts) -> ScriptCall | None:
    chosen = values.get(SCRIPT) or NO_SCRIPT
    script = next((s for s in scripts if s.name == chosen), None)
    if script is None:
        return None
    given = {path: values[argument(chosen, path)] for path in leaves(script.args_type)}
    args = read_arguments(script.args_type, given, "script.args.")
    return ScriptCall(name=chosen, args=args.model_dump(mode="json"))


def _fill_script(call: ScriptCall | None, scripts: Scripts) -> Values:
    if not scripts:
        return {}
    script = next((s for s in scripts if call and s.name == call.name), None)
    if script is None or call is None:
        return {SCRIPT: NO_SCRIPT}
    try:
        args = script.args_type.model_validate(call.args)
    except ValidationError:
        return {SCRIPT: script.name}
    shown_args = show_arguments(args)
    return {
        SCRIPT: script.name,
        **{argument(script.name, path): value for path, value in shown_args.items()},
    }


def _is_used(request: GenerationRequest, paths: Sequence[str]) -> bool:
    group = paths[0].split(".")[0]
    if get(GenerationRequest(), group) is None:
        return get(request, group) is not None
    return any(get(request, path) != LEAVES[path].default for path in paths)
