"""What an older installation began with, read in place: its page's values and its options.

The page's are in its ui-config.json, the options in its config.json.
"""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from webui.api.sdapi_options import REQUEST_OPTIONS, request_values
from webui.contract.events import Word
from webui.contract.fields import Leaf, leaves, nest
from webui.contract.request import Blob, GenerationRequest, Refiner, Source
from webui.contract.vocabulary import resolve
from webui.errors import NotFound, WebuiError

log = logging.getLogger(__name__)

FILE = "ui-config.json"
OPTIONS_FILE = "config.json"
LABELS: Mapping[str, str] = {
    "sampling method": "sampling.sampler",
    "schedule type": "sampling.schedule",
    "sampling steps": "sampling.steps",
    "width": "canvas.width",
    "height": "canvas.height",
    "batch count": "canvas.batch_count",
    "batch size": "canvas.batch_size",
    "cfg scale": "sampling.cfg_scale",
    "prompt": "prompt.positive",
    "negative prompt": "prompt.negative",
}
"""By the older page's label, in small letters."""
OWN: Mapping[tuple[str, str], str] = {
    ("img2img", "denoising strength"): "source.denoising_strength",
}
VOCABULARIES = {"sampling.sampler": "samplers", "sampling.schedule": "schedules"}

Words = Mapping[str, tuple[Word, ...]]


def older_values(home: Path | None, words: Words) -> dict[str, dict[str, Any]]:
    """By tab, the values by path that the installation at `home` began with.

    What its page said wins over its options. A value that a field here does not take is left out,
    and a damaged file altogether.
    """
    options = request_values(older_options(home, words), words, "euler")
    found: dict[str, dict[str, Any]] = {
        "txt2img": {p: v for p, v in options.items() if not p.startswith("source.")},
        "img2img": dict(options),
    }
    known = leaves(GenerationRequest)
    for key, value in _told(home, FILE).items():
        tab, _, rest = key.partition("/")
        label, _, what = rest.rpartition("/")
        path = OWN.get((tab, label.casefold())) or LABELS.get(label.casefold(), "")
        if tab not in found or what != "value" or not path:
            continue
        taken = _taken(known[path], value, words)
        if taken is not None:
            found[tab][path] = taken
    return found


def older_options(home: Path | None, words: Words) -> dict[str, Any]:
    """The options of the installation at `home` that change pixels and are not at their default.

    Those with values that mean nothing here (a VAE that is not there any more) are left out.
    """
    told = _told(home, OPTIONS_FILE)
    return {
        name: told[name]
        for name, option in REQUEST_OPTIONS.items()
        if told.get(name, option.default) != option.default
        and _is_possible(name, told[name], words)
    }


def older_checkpoint(home: Path | None, resolve_name: Callable[[str], Any]) -> str:
    """The checkpoint that the installation at `home` drew with; "" where it cannot be used here.

    `resolve_name` raises where nothing has the name.
    """
    name = _told(home, OPTIONS_FILE).get("sd_model_checkpoint")
    if not isinstance(name, str) or not name:
        return ""
    try:
        resolve_name(name)
    except WebuiError as error:
        log.info("the older installation drew with %s: %s", name, error.sentence)
        return ""
    return name


def _is_possible(name: str, value: Any, words: Words) -> bool:
    present = {
        "source": Source(image=Blob(sha256="0" * 64)),
        "refiner": Refiner(checkpoint="any"),
    }
    try:
        values = request_values({name: value}, words, "euler")
        nest(GenerationRequest().model_copy(update=present), values)
    except (WebuiError, ValidationError):
        return False
    return True


def _told(home: Path | None, file: str) -> Mapping[str, Any]:
    if home is None:
        return {}
    try:
        loaded = json.loads((home / file).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}


def _taken(leaf: Leaf, value: Any, words: Words) -> Any:
    """The value as the field has it; None where it takes none of the kind."""
    vocabulary = VOCABULARIES.get(leaf.path)
    if vocabulary is not None:
        try:
            return resolve(leaf.param.label, words[vocabulary], str(value), leaf.path).id
        except NotFound:
            return None
    if isinstance(leaf.default, str):
        return value or None if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    low, high = leaf.low, leaf.high
    if (low is not None and value < low) or (high is not None and value > high):
        return None
    whole = isinstance(leaf.default, int)
    if whole and (value != int(value) or value % (leaf.multiple_of or 1)):
        return None
    return int(value) if whole else float(value)
