"""Infotext: every setting of a picture as text in the older UI's form, written and read back.

The walk over the request's fields gives the keys; this module adds what the form demands beyond
that: the older UI's order, values that share a key, and what an absent key means.

Reading back gives `essential(request)`, the request without values that cannot change the pixels.
A source picture comes back only as a kept picture (`Init image` with its SHA-256); a text that
merely has a denoising strength returns it apart, since it does not say whether it belongs to
img2img.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from webui.contract.events import Execution
from webui.contract.fields import Leaf, get, nest, walk
from webui.contract.infotext_dialects import OURS, is_ours, modernise
from webui.contract.infotext_grammar import Infotext, clean, compose, parse
from webui.contract.infotext_values import Unreadable, Words, from_text, shown, to_text
from webui.contract.request import Blob, GenerationRequest, ScriptCall
from webui.contract.vocabulary import find

__all__ = ["Infotext", "Restored", "clean", "essential", "parse", "read", "write"]

ORDER = (
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model hash", "Model",
    "Variation seed", "Variation seed strength", "Seed resize from", "Denoising strength",
    "Clip skip", "RNG", "Tiling", "Hires sampler", "Hires prompt", "Hires negative prompt",
    "Hires schedule type", "Hires upscale", "Hires resize", "Hires steps", "Hires upscaler",
    "Noise multiplier", "Eta", "Eta DDIM", "Sigma churn", "Sigma tmin", "Sigma tmax", "Sigma noise",
)  # fmt: skip
"""The older UI's keys in its order; ours follow in the order of declaration, Version is last."""

_ALWAYS = frozenset({
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size-1", "Size-2",
    "Denoising strength", "Hires denoising strength", "Hires upscale", "Hires upscaler",
})  # fmt: skip
_ABSENT_MEANS = {"RNG": "gpu"}
_RESET_BY_ANY_TEXT = (
    "model.clip_skip", "sampling.schedule", "noise.variation_seed", "noise.variation_strength",
    "noise.resize_from_width", "noise.resize_from_height", "noise.source",
)  # fmt: skip
_SILENT = frozenset({
    "Version", "Model hash", "User", "Batch pos", "Prompt", "Negative prompt", "Denoising strength",
    "Precision", "VAE tiles", "Packed", "Prompt-1", "Prompt-2", "Negative prompt-1",
    "Negative prompt-2",
})  # fmt: skip
_HIRES_KEYS = ("Hires upscale", "Hires resize-1", "Hires upscaler")
_EFFECTS: TypeAdapter[tuple[ScriptCall, ...]] = TypeAdapter(tuple[ScriptCall, ...])


@dataclass(frozen=True)
class Restored:
    """What a text gave back.

    `denoising_strength` is there when the text has one, but neither hires settings nor a usable
    source picture to put it into: a form fills its own img2img slider with it. `notices` are
    sentences for the user about everything that was bent or left out.
    """

    request: GenerationRequest
    denoising_strength: float | None = None
    notices: tuple[str, ...] = ()


def write(request: GenerationRequest, execution: Execution, version: str, words: Words) -> str:
    """The infotext of one picture from its concrete request; `version` as "0.1.0".

    A source that is not a Blob (another item's output, a file below a root) is not named.
    """
    request = essential(request)
    found = {key: to_text(leaf, value, words) for key, leaf, value in _written(request)}
    fields = _joined(found)
    if not request.model.checkpoint and execution.checkpoint:
        fields["Model"] = execution.checkpoint
    if execution.checkpoint_hash:
        fields["Model hash"] = execution.checkpoint_hash[:10]
    if "Eta" in fields and request.sampling.sampler == "ddim":
        fields["Eta DDIM"] = fields.pop("Eta")
    if request.source is None and request.hires is not None:
        fields["Denoising strength"] = fields.pop("Hires denoising strength")
    ordered = {key: fields.pop(key) for key in ORDER if key in fields} | fields
    ordered.pop("Prompt", None)
    ordered.pop("Negative prompt", None)
    ordered |= _machine_fields(request, execution)
    if version:
        ordered["Version"] = f"{OURS}{version}"
    return compose(request.prompt.positive, request.prompt.negative, ordered)


def essential(request: GenerationRequest) -> GenerationRequest:
    """`request` with every value that cannot change the pixels of its one picture at its default.

    Such are a variation seed at strength 0, half a size to resize the seed from, the rule for
    strength 0 above it, the factor beside a hires size, hires settings equal to those of the first
    pass, and the batch numbers.
    """
    changes: dict[str, Any] = {"canvas.batch_count": 1, "canvas.batch_size": 1}
    noise, hires = request.noise, request.hires
    if noise.variation_strength == 0:
        changes["noise.variation_seed"] = -1
    if not (noise.resize_from_width and noise.resize_from_height):
        changes |= {"noise.resize_from_width": 0, "noise.resize_from_height": 0}
    source = request.source
    if source is not None and (source.denoising_strength > 0 or source.exact_steps):
        changes["source.zero_strength_step"] = False
    if hires is not None:
        if hires.width or hires.height:
            changes["hires.scale"] = 2.0
        same = {
            "hires.sampler": request.sampling.sampler,
            "hires.schedule": request.sampling.schedule,
            "hires.prompt": request.prompt.positive,
            "hires.negative_prompt": request.prompt.negative,
        }
        changes |= {path: "" for path, value in same.items() if get(request, path) == value}
    return nest(request, changes)


def read(
    text: str,
    words: Words,
    base: GenerationRequest | None = None,
    known: Callable[[Blob], bool] = lambda _blob: True,
) -> Restored:
    """The request that a text describes, over `base` where the text is silent. Never raises.

    In text of our own an absent key means its default. In foreign text it means what the older UI
    took it for: some settings fall back to that UI's default, the others stay as in `base`.
    `known` tells whether a picture is kept, so that a source may refer to it.
    """
    base = base or GenerationRequest()
    info = modernise(parse(text), words)
    if not info.fields:
        return _prompt_only(base, info)
    reader = _Reader(base, info, words)
    return reader.restore(known)


class _Reader:
    """The reading of one text: collects values by path and the notices about them."""

    def __init__(self, base: GenerationRequest, info: Infotext, words: Words) -> None:
        self.base, self.info, self.words = base, info, words
        self.fields = _with_prompts(info, is_ours(info))
        self.values: dict[str, Any] = {}
        self.notices: list[str] = []
        self.used: set[str] = set(_SILENT)

    def restore(self, known: Callable[[Blob], bool]) -> Restored:
        """Read every leaf, decide about source and hires, and build the request."""
        ours = is_ours(self.info)
        for leaf in walk(GenerationRequest):
            self._take(leaf, ours)
        self._take_batch_size()
        self._take_checkpoint()
        effects = self._effects(ours)
        strength = self._place_strength(known)
        if "refiner.checkpoint" not in self.values:
            self._drop("refiner.")
        absent = {"script": None, "effects": effects, "hires": None, "refiner": None}
        base = self.base.model_copy(update=absent)
        self._tell_unused()
        return Restored(self._build(base), strength, tuple(self.notices))

    def _take(self, leaf: Leaf, ours: bool) -> None:
        key = leaf.param.infotext
        if key is None:
            return
        text = _whole(self.fields, key)
        if text is None:
            self._absent(leaf, key, ours)
            return
        self.used |= {key} if key in self.fields else {f"{key}-1", f"{key}-2"}
        try:
            self.values[leaf.path], notice = from_text(leaf, text, self.words)
        except Unreadable as error:
            notice = str(error)
        if notice:
            self.notices.append(notice)

    def _absent(self, leaf: Leaf, key: str, ours: bool) -> None:
        if leaf.path.startswith(("source.", "hires.", "refiner.")):
            return
        if ours or leaf.path in _RESET_BY_ANY_TEXT:
            self.values[leaf.path] = _ABSENT_MEANS.get(key, leaf.default)

    def _take_batch_size(self) -> None:
        """Old writers named the batch size; it still fills its field."""
        leaf = next(leaf for leaf in walk(GenerationRequest) if leaf.path == "canvas.batch_size")
        text = self.fields.get("Batch size")
        if text is not None:
            self.used.add("Batch size")
            try:
                self.values[leaf.path], _ = from_text(leaf, text, self.words)
            except Unreadable as error:
                self.notices.append(str(error))

    def _take_checkpoint(self) -> None:
        """A hash says more than a name: a file may have been renamed."""
        model_hash = self.fields.get("Model hash", "")
        word = find(self.words.get("checkpoints", ()), model_hash) if model_hash else None
        if word is not None:
            self.values["model.checkpoint"] = word.id
            self.notices = [n for n in self.notices if not n.startswith("Model ")]

    def _effects(self, ours: bool) -> tuple[ScriptCall, ...]:
        text = self.fields.get("Effects")
        if text is None:
            return () if ours else self.base.effects
        self.used.add("Effects")
        try:
            return _EFFECTS.validate_json(text)
        except ValidationError:
            self.notices.append(f"Effects {shown(text)!r} could not be read.")
            return ()

    def _place_strength(self, known: Callable[[Blob], bool]) -> float | None:
        """Give the denoising strength to hires, to the source, or back to the caller."""
        hires = any(key in self.fields for key in _HIRES_KEYS)
        image = self.values.pop("source.image", None)
        strength: float | None = self.values.get("source.denoising_strength")
        if image is not None and not known(image):
            self.notices.append("The source picture of this image is no longer kept here.")
            image = None
        if not hires:
            self._drop("hires.")
        else:
            self.values.setdefault("hires.scale", 2.0)
        if hires and strength is not None and "hires.denoising_strength" not in self.values:
            self.values["hires.denoising_strength"] = strength
            strength = None
        if image is not None:
            # A restored source starts from defaults, not from the one that it replaces.
            self.base = self.base.model_copy(update={"source": None})
            self.values["source.image"] = image
            return None
        if self.base.source is None or strength is None:
            self._drop("source.")
        return strength

    def _drop(self, prefix: str) -> None:
        self.values = {p: v for p, v in self.values.items() if not p.startswith(prefix)}

    def _tell_unused(self) -> None:
        unused = [f"{k}: {shown(v)}" for k, v in self.info.fields.items() if k not in self.used]
        if unused:
            more = f" and {len(unused) - 20} more" if len(unused) > 20 else ""
            self.notices.append(f"Not used from this text: {'; '.join(unused[:20])}{more}.")

    def _build(self, base: GenerationRequest) -> GenerationRequest:
        try:
            return nest(base, self.values)
        except ValidationError as error:
            bad = {".".join(str(part) for part in fault["loc"]) for fault in error.errors()}
            self.notices.append(f"Left out, not possible here: {', '.join(sorted(bad))}.")
            good = {path: v for path, v in self.values.items() if path not in bad}
            try:
                return nest(base, good)
            except ValidationError:
                return base


def _written(request: GenerationRequest) -> list[tuple[str, Leaf, Any]]:
    """Key, leaf and value of all that the text has to say."""
    result: list[tuple[str, Leaf, Any]] = []
    for leaf in walk(GenerationRequest):
        key = leaf.param.infotext
        part = leaf.path.split(".")[0]
        if key is None or getattr(request, part) is None:
            continue
        value = get(request, leaf.path)
        if leaf.path == "source.image" and not isinstance(value, Blob):
            continue
        silent = _ABSENT_MEANS.get(key, leaf.default)
        if key in _ALWAYS or value != silent:
            result.append((key, leaf, value))
    return result


def _joined(found: Mapping[str, str]) -> dict[str, str]:
    """Fields with the two sides of a size under one key; a missing side is 0."""
    fields: dict[str, str] = {}
    for key, text in found.items():
        name, _, side = key.rpartition("-")
        if side in ("1", "2") and name:
            sides = [found.get(f"{name}-{n}", "0") for n in (1, 2)]
            fields[name] = "x".join(sides)
        else:
            fields[key] = text
    if "Hires resize" in fields:
        fields.pop("Hires upscale", None)
    return fields


def _machine_fields(request: GenerationRequest, execution: Execution) -> dict[str, str]:
    """Effects, and what the machine decided where it changed pixels."""
    fields: dict[str, str] = {}
    if request.effects:
        calls = [call.model_dump(mode="json") for call in request.effects]
        fields["Effects"] = json.dumps(calls, ensure_ascii=False)
    if execution.dtype != "float32":
        fields["Precision"] = execution.dtype
    if execution.vae_tiles:
        fields["VAE tiles"] = str(execution.vae_tiles)
    if execution.packed > 1:
        fields["Packed"] = str(execution.packed)
    return fields


def _whole(fields: Mapping[str, str], key: str) -> str | None:
    """The value of a key; words of the form 512x768 were taken for a size and are joined again."""
    if key not in fields and f"{key}-1" in fields and f"{key}-2" in fields:
        return f"{fields[f'{key}-1']}x{fields[f'{key}-2']}"
    return fields.get(key)


def _with_prompts(info: Infotext, ours: bool) -> dict[str, str]:
    """The fields with the prompts among them; prompts written as fields are the exact ones."""
    prompts = {"Prompt": info.prompt, "Negative prompt": info.negative_prompt}
    exact = {key: _whole(info.fields, key) for key in prompts}
    if ours and any(text is not None for text in exact.values()):
        prompts = {key: text or "" for key, text in exact.items()}
    return dict(info.fields) | prompts


def _prompt_only(base: GenerationRequest, info: Infotext) -> Restored:
    if not (info.prompt or info.negative_prompt):
        return Restored(base, None, ("There are no generation parameters in this text.",))
    values = {"prompt.positive": info.prompt[:100_000]}
    if info.negative_prompt:
        values["prompt.negative"] = info.negative_prompt[:100_000]
    return Restored(nest(base, values), None, ())
