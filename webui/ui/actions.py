"""What the page's buttons do on the server: plain functions from values to values."""

import logging
from typing import Any

from pydantic import ValidationError

from webui.contract.fields import nest
from webui.contract.request import Blob, GenerationRequest, Source
from webui.errors import InvalidRequest, WebuiError
from webui.prompts.explanation import Asked
from webui.prompts.syntax.limits import MOST_LETTERS
from webui.ui.effects import PREFIX
from webui.ui.form import Values, collect, fill, nearest_size
from webui.ui.layout import Mode
from webui.ui.outbox import complaint, letter, say
from webui.ui.picture import picture_value
from webui.ui.services import Services

log = logging.getLogger(__name__)
Letter = dict[str, Any]
Answer = tuple[Values, Letter]

PROMPTS = ("prompt.positive", "prompt.negative")
READING = ("emphasis", "comma_backtrack", "old_emphasis")
"""What decides how many tokens a prompt takes."""

NO_MASK = "This picture was painted under a mask. The page has none: it would paint all of it."
NOTHING_TO_READ = "There are no generation settings in this image."
NO_IMAGE = "0" * 64
BROKEN = "Something went wrong here. The server's log has the details."


def submit(services: Services, mode: Mode, values: Values, owner: str) -> Letter:
    """Queue what the form says; an error comes back as a message, nothing is lost."""
    try:
        request = collect(mode, values, services.scripts, services.effects)
        job = services.jobs.submit(request, owner)
    except WebuiError as error:
        return letter(complaint(error, mode), mode=mode)
    except Exception:
        log.exception("A job could not be submitted")
        return letter(say(BROKEN, "error"), mode=mode)
    return letter(mode=mode, job=job.id)


def restore_from_text(services: Services, mode: Mode, values: Values) -> Answer:
    """Read the prompt as infotext; an empty prompt asks for the settings of the last job."""
    text = str(values.get("prompt.positive") or "").strip()
    if text:
        return _restore(services, mode, values, text)
    jobs = services.jobs.list(limit=1)
    if not jobs:
        return {}, letter(say("Nothing was generated yet."), mode=mode)
    filled = fill(mode, jobs[0].request, services.scripts, services.effects)
    return filled, letter(say("Settings of the last job restored.", "done"), mode=mode, undo=True)


def restore_from_blob(services: Services, mode: Mode, values: Values, sha256: str) -> Answer:
    """Read the settings inside an image that was dropped on the prompt."""
    try:
        text = services.read_infotext(services.blobs.read(Blob(sha256=sha256)))
    except (WebuiError, ValueError) as error:
        sentence = error.sentence if isinstance(error, WebuiError) else NOTHING_TO_READ
        return {}, letter(say(sentence, "error"), mode=mode)
    return _restore(services, mode, values, text)


def restore_from_artifact(services: Services, mode: Mode, values: Values, number: int) -> Answer:
    """Take over the settings that a finished picture was made with."""
    try:
        picture, _ = services.jobs.artifact(number)
    except WebuiError as error:
        return {}, letter(complaint(error, mode), mode=mode)
    return _restore(services, mode, values, picture.infotext)


def send_to_img2img(services: Services, number: int) -> Answer:
    """A finished picture becomes the source, byte for byte, with what it was made with."""
    try:
        artifact, path = services.jobs.artifact(number)
        blob = services.blobs.put(path.read_bytes(), "source.image")
    except (WebuiError, OSError) as error:
        sentence = error.sentence if isinstance(error, WebuiError) else "The file is gone."
        return {}, letter(say(sentence, "error"), mode="img2img")
    values: Values = {
        **_settings_of(services, artifact.infotext),
        "source.image": picture_value(
            blob.sha256, artifact.width, artifact.height, path.name, f"api/v1/artifacts/{number}"
        ),
        "canvas.width": nearest_size("canvas.width", artifact.width),
        "canvas.height": nearest_size("canvas.height", artifact.height),
    }
    return values, letter(mode="img2img", tab="img2img", undo=True)


def token_count(services: Services, path: str, values: Values) -> dict[str, Any]:
    """The counter beside the prompt at `path`: tokens, room, and whether brackets match."""
    if services.count_tokens is None:
        return {"text": "", "fault": ""}
    asked = _asked(path, values)
    try:
        used, room = services.count_tokens(asked)
    except WebuiError:  # no checkpoint, or none with a vocabulary: nothing to count by
        return {"text": "", "fault": ""}
    fault = "Brackets do not match." if unbalanced(asked.prompt) else ""
    return {"text": f"{used}/{room}", "fault": fault}


def explain(services: Services, mode: Mode, values: Values) -> Letter:
    """How the prompts of the form are read, with its steps, sampler and checkpoint."""
    if services.explain is None:
        return letter(say("Without a tokenizer there is nothing to explain by."), mode=mode)
    prompts = {path: str(values.get(path) or "") for path in PROMPTS}
    try:
        told = services.explain(nest(_base(mode, values, services), prompts))
    except WebuiError as error:
        return letter(complaint(error, mode), mode=mode)
    return letter(mode=mode, explained=[one.model_dump(mode="json") for one in told])


def unbalanced(text: str) -> bool:
    """Whether some bracket of the prompt language is left open or closed twice."""
    pairs, stack, escaped = {")": "(", "]": "["}, list[str](), False
    for letter_ in text:
        if escaped:
            escaped = False
        elif letter_ == "\\":
            escaped = True
        elif letter_ in "([":
            stack.append(letter_)
        elif letter_ in pairs and (not stack or stack.pop() != pairs[letter_]):
            return True
    return bool(stack)


def _restore(services: Services, mode: Mode, values: Values, text: str) -> Answer:
    if not text.strip():
        return {}, letter(say(NOTHING_TO_READ, "error"), mode=mode)
    restored = services.restore(text, _base(mode, values, services))
    filled = fill(mode, restored.request, services.scripts, services.effects)
    if filled.get("source.image") in ({"sha256": NO_IMAGE}, _bare(values.get("source.image"))):
        filled.pop("source.image", None)
    if mode == "img2img" and restored.denoising_strength is not None:
        filled["source.denoising_strength"] = restored.denoising_strength
    told = [say(notice) for notice in restored.notices]
    source = restored.request.source
    if source is not None and source.inpaint is not None:
        told.append(say(NO_MASK))
    return filled, letter(say("Settings restored.", "done"), *told, mode=mode, undo=True)


def _base(mode: Mode, values: Values, services: Services) -> GenerationRequest:
    """What settings are read over where a text is silent: the form as it stands, or defaults."""
    given = dict(values)
    if mode == "img2img" and not isinstance(given.get("source.image"), dict):
        given["source.image"] = {"sha256": NO_IMAGE}
    try:
        return collect(mode, given, services.scripts, services.effects)
    except InvalidRequest:
        source = Source(image=Blob(sha256=NO_IMAGE)) if mode == "img2img" else None
        return GenerationRequest(source=source)


def _asked(path: str, values: Values) -> Asked:
    """The question of a counter; what the form holds otherwise counts where it is valid."""
    own: dict[str, Any] = {
        "prompt": str(values.get(path) or "")[:MOST_LETTERS],
        "negative": path == "prompt.negative",
    }
    reading = {name: values[f"reading.{name}"] for name in READING if f"reading.{name}" in values}
    more = {
        "steps": values.get("sampling.steps"),
        "checkpoint": values.get("model.checkpoint") or "",
        "reading": reading,
    }
    try:
        return Asked.model_validate(own | more)
    except ValidationError:
        return Asked.model_validate(own)


def _bare(image: Any) -> Any:
    return {"sha256": image.get("sha256")} if isinstance(image, dict) else None


def _settings_of(services: Services, infotext: str) -> Values:
    """What moves from txt2img to img2img beside the picture: all but what belongs to a source."""
    restored = services.restore(infotext, None)
    filled = fill("img2img", restored.request, services.scripts, services.effects)
    keep = ("prompt.", "sampling.", "model.", "noise.", "tick:", PREFIX)
    return {name: value for name, value in filled.items() if name.startswith(keep)}
