"""Infotext read back: from text that anybody may have written to a request and notices about it.

Reading our own text gives `essential(request)`, the request without values that cannot change the
pixels. A source picture comes back only as a kept picture (`Init image` with its SHA-256); a text
that merely has a denoising strength returns it apart, since it does not say whether it belongs to
img2img.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from webui.contract.effects import EffectForm
from webui.contract.events import Word
from webui.contract.fields import Leaf, nest, walk
from webui.contract.infotext.dialects import is_ours, modernise
from webui.contract.infotext.effects import read_effects
from webui.contract.infotext.grammar import Infotext, parse
from webui.contract.infotext.networks import (
    HASHES,
    WORDS,
    has_tags,
    named_here,
    words_here,
)
from webui.contract.infotext.programs import translate
from webui.contract.infotext.values import ABSENT_MEANS, Unreadable, Words, from_text, shown
from webui.contract.request import Blob, GenerationRequest, ScriptCall
from webui.contract.vocabulary import find

_RESET_BY_ANY_TEXT = (
    "model.clip_skip", "sampling.schedule", "sampling.ensd", "sampling.skip_", "noise.variation_",
    "noise.resize_", "noise.source", "noise.extra", "reading.", "levels.", "unipc.",
)  # fmt: skip
_ABSENT_PARTS = ("source.", "hires.", "refiner.")
_TITLE = re.compile(r"(?P<name>.+?) ?\[(?P<hash>[0-9a-fA-F]{8,64})\]")
_SILENT = frozenset({
    "Version", "Model hash", "VAE hash", "User", "Batch pos", "Prompt", "Negative prompt",
    "Denoising strength", "Precision", "VAE precision", "FP8 weight", "Attention", "VAE tiles",
    "Packed", "Prompt-1", "Prompt-2", "Negative prompt-1", "Negative prompt-2",
    "Refiner switch at", "Refiner switch by sampling steps", "Hires refiner",
})  # fmt: skip
PROMPTS = ("prompt.positive", "prompt.negative", "hires.prompt", "hires.negative_prompt")
_HIRES_KEYS = ("Hires upscale", "Hires resize-1", "Hires upscaler")


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


def read(
    text: str,
    words: Words,
    base: GenerationRequest | None = None,
    known: Callable[[Blob], bool] = lambda _blob: True,
    effects: Sequence[EffectForm] = (),
) -> Restored:
    """The request that a text describes, over `base` where the text is silent. Never raises.

    In text of our own an absent key means its default. In foreign text it means what the older UI
    took it for: some settings fall back to that UI's default, the others stay as in `base`.
    `known` tells whether a picture is kept, so that a source may refer to it; `effects` are the
    forms of the effects that there are.
    """
    base = base or GenerationRequest()
    info = modernise(translate(text) or parse(text), words)
    if not info.fields:
        return _prompt_only(base, info)
    reader = _Reader(base, info, words, effects)
    return reader.restore(known)


class _Reader:
    """The reading of one text: collects values by path and the notices about them."""

    def __init__(
        self,
        base: GenerationRequest,
        info: Infotext,
        words: Words,
        forms: Sequence[EffectForm] = (),
    ) -> None:
        self.base, self.info, self.words, self.forms = base, info, words, forms
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
        self._take_vae()
        self._take_networks()
        self._take_embeddings()
        effects = self._take_effects(ours)
        strength = self._place_strength(known)
        self._place_mask(known)
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
        if leaf.param.choices == "checkpoints":
            text = _named(text, self.words.get("checkpoints", ()))
        try:
            self.values[leaf.path], notice = from_text(leaf, text, self.words)
        except Unreadable as error:
            notice = str(error)
        if notice:
            self.notices.append(notice)

    def _absent(self, leaf: Leaf, key: str, ours: bool) -> None:
        if leaf.path.startswith(_ABSENT_PARTS):
            return
        if ours or leaf.path.startswith(_RESET_BY_ANY_TEXT):
            self.values[leaf.path] = ABSENT_MEANS.get(key, leaf.default)

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

    def _take_vae(self) -> None:
        """Texts name a VAE by its file's name; its hash says more."""
        vae_hash = self.fields.get("VAE hash", "")
        word = find(self.words.get("vaes", ()), vae_hash) if vae_hash else None
        if word is not None:
            self.values["model.vae"] = word.id
            self.notices = [n for n in self.notices if not n.startswith("VAE ")]

    def _take_networks(self) -> None:
        """Prompts call LoRA files by the names that they have here."""
        hashes, here = _whole(self.fields, HASHES), self.words.get("loras")
        for path in ("prompt.positive", "hires.prompt"):
            if hashes and has_tags(self.values.get(path, "")):
                self.used.add(HASHES)
                if here is not None:  # without a list of files there is nothing to compare with
                    self.values[path], notices = named_here(self.values[path], hashes, here)
                    self.notices += [notice for notice in notices if notice not in self.notices]

    def _take_embeddings(self) -> None:
        """Prompts call embeddings by the names that their files have here."""
        hashes, here = _whole(self.fields, WORDS), self.words.get("embeddings")
        self.used.add(WORDS)
        if hashes and here is not None:
            paths = [path for path in PROMPTS if self.values.get(path)]
            said, notices = words_here([self.values[path] for path in paths], hashes, here)
            self.values.update(zip(paths, said, strict=True))
            self.notices += notices

    def _take_effects(self, ours: bool) -> tuple[ScriptCall, ...]:
        kept = () if ours else self.base.effects
        found = read_effects(self.fields, self.forms, self.words, kept)
        self.used |= found.used
        self.notices += found.notices
        return tuple(found.calls)

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

    def _place_mask(self, known: Callable[[Blob], bool]) -> None:
        """Keep what was said about a mask where there is one, kept with its picture or in base."""
        mask = self.values.pop("source.inpaint.mask", None)
        if mask is not None and not known(mask):
            self.notices.append("The mask of this image is no longer kept here.")
        elif mask is not None and "source.image" in self.values:
            self.values["source.inpaint.mask"] = mask
            return
        source = self.base.source
        if source is None or source.inpaint is None:
            self._drop("source.inpaint.")

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


def _named(text: str, checkpoints: tuple[Word, ...]) -> str:
    """The id of the checkpoint meant by `name [hash]`; the text where none is known."""
    title = _TITLE.fullmatch(text)
    spellings = (text, title["hash"], title["name"]) if title else (text,)
    known = (find(checkpoints, spelling) for spelling in spellings)
    return next((word.id for word in known if word is not None), text)


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
