"""Values by path <-> a request: the one place where a form is read and filled."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from webui.contract.fields import Leaf, get, leaves, nest
from webui.contract.request import Blob, GenerationRequest, ScriptCall
from webui.errors import InvalidRequest
from webui.plugins.scripts import Script
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


def collect(mode: Mode, values: Mapping[str, Any], scripts: Scripts = ()) -> GenerationRequest:
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
        raise _fault(error.errors()[0], LEAVES) from error
    return request.model_copy(update={"script": call}) if call else request


def fill(mode: Mode, request: GenerationRequest, scripts: Scripts = ()) -> Values:
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
    return filled


def nearest_size(path: str, pixels: float) -> int:
    """The allowed value of a size field that comes closest below `pixels`."""
    leaf = LEAVES[path]
    grain = int(leaf.multiple_of or 1)
    floor = int(pixels) // grain * grain
    return int(min(max(floor, leaf.low or 0), leaf.high or floor))


def sentence(error: ErrorDetails, label: str) -> str:
    """One validation error in words that name the field."""
    ctx, kind = error.get("ctx", {}), error["type"]
    if kind == "greater_than_equal":
        return f"{label} must be at least {ctx['ge']}."
    if kind == "less_than_equal":
        return f"{label} must be at most {ctx['le']}."
    if kind == "multiple_of":
        return f"{label} must be a multiple of {ctx['multiple_of']}."
    if kind.startswith(("int_", "float_", "finite_")):
        whole = "a whole number" if kind.startswith("int_") else "a number"
        return f"{label} must be {whole}."
    if kind == "string_too_long":
        return f"{label} is longer than {ctx['max_length']} characters."
    return f"{label}: {error['msg']}."


def _fault(error: ErrorDetails, known: Mapping[str, Leaf], prefix: str = "") -> InvalidRequest:
    path = ".".join(str(part) for part in error["loc"])
    while path and path not in known:
        path = path.rpartition(".")[0]
    label = known[path].param.label if path in known else "This value"
    return InvalidRequest(prefix + path, sentence(error, label), detail=error["msg"])


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
    known = leaves(script.args_type)
    try:
        args = script.args_type.model_validate(
            _tree({p: from_component(known[p], values[argument(chosen, p)]) for p in known})
        )
    except ValidationError as error:
        raise _fault(error.errors()[0], known, "script.args.") from error
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
    known = leaves(script.args_type)
    return {
        SCRIPT: script.name,
        **{argument(script.name, p): to_component(leaf, get(args, p)) for p, leaf in known.items()},
    }


def _is_used(request: GenerationRequest, paths: Sequence[str]) -> bool:
    group = paths[0].split(".")[0]
    if get(GenerationRequest(), group) is None:
        return get(request, group) is not None
    return any(get(request, path) != LEAVES[path].default for path in paths)


def _tree(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        place = tree
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = value
    return tree
