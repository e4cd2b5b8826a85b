"""What an older installation's page began with: the values in its ui-config.json, read in place."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from webui.contract.events import Word
from webui.contract.fields import Leaf, leaves
from webui.contract.request import GenerationRequest
from webui.contract.vocabulary import resolve
from webui.errors import NotFound

FILE = "ui-config.json"
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

    A value that a field here does not take is left out, and a damaged file altogether.
    """
    found: dict[str, dict[str, Any]] = {"txt2img": {}, "img2img": {}}
    known = leaves(GenerationRequest)
    for key, value in _told(home).items():
        tab, _, rest = key.partition("/")
        label, _, what = rest.rpartition("/")
        path = OWN.get((tab, label.casefold())) or LABELS.get(label.casefold(), "")
        if tab not in found or what != "value" or not path:
            continue
        taken = _taken(known[path], value, words)
        if taken is not None:
            found[tab][path] = taken
    return found


def _told(home: Path | None) -> Mapping[str, Any]:
    if home is None:
        return {}
    try:
        loaded = json.loads((home / FILE).read_text(encoding="utf-8-sig"))
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
