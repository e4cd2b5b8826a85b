"""Infotext written: the walk over the request's fields gives the keys, this module the rest.

What the form demands beyond the walk: the older UI's order, values that share a key, what an
absent key means, and what the machine decided.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from webui.contract.effects import EffectForm
from webui.contract.events import Execution
from webui.contract.fields import Leaf, get, walk
from webui.contract.infotext.dialects import OURS
from webui.contract.infotext.effects import write_effects
from webui.contract.infotext.essence import essential
from webui.contract.infotext.grammar import compose
from webui.contract.infotext.modules import module_fields
from webui.contract.infotext.values import ABSENT_MEANS, Words, to_text
from webui.contract.request import Blob, GenerationRequest

ORDER = (
    "Steps", "Sampler", "Schedule type", "CFG scale", "Distilled CFG Scale", "Seed", "Size",
    "Model hash", "Model",
    "VAE hash", "VAE",
    "Variation seed", "Variation seed strength", "Seed resize from", "Denoising strength",
    "Clip skip", "ENSD", "Token merging ratio", "Token merging ratio hr", "RNG", "NGMS", "Tiling",
    "Hires checkpoint", "Hires sampler", "Hires prompt", "Hires negative prompt",
    "Hires CFG Scale", "Hires Distilled CFG Scale", "Hires schedule type", "Hires upscale",
    "Hires resize", "Hires steps",
    "Hires upscaler", "Mask mode", "Mask blur", "Mask blur down", "Inpaint area",
    "Masked area padding", "Masked content", "Noise multiplier", "Extra noise",
    "Downcast alphas_cumprod", "Noise Schedule", "Emphasis", "Old prompt editing timelines",
    "Eta", "Eta DDIM", "Sigma churn", "Sigma tmin", "Sigma tmax", "Sigma noise",
    "Schedule min sigma", "Schedule max sigma", "Schedule rho", "Shift",
    "Beta schedule alpha", "Beta schedule beta", "Discard penultimate sigma",
    "SGM noise multiplier", "NGMS all steps", "Skip Early CFG", "Pad conds", "Pad conds v0",
    "Refiner", "Refiner switch at", "Refiner switch by sampling steps", "Hires refiner",
)  # fmt: skip
"""The older UI's keys in its order; ours follow in the order of declaration, Version is last."""

_ALWAYS = frozenset({
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size-1", "Size-2",
    "Denoising strength", "Hires denoising strength", "Hires upscale", "Hires upscaler",
    "Refiner", "Refiner switch at", "Mask blur",
})  # fmt: skip
PICTURES = ("source.image", "source.inpaint.mask")
_ETA_DDIM = frozenset({"ddim", "ddim_cfgpp", "plms", "unipc"})


def write(
    request: GenerationRequest,
    execution: Execution,
    version: str,
    words: Words,
    effects: Sequence[EffectForm] = (),
) -> str:
    """The infotext of one picture from its concrete request; `version` as "0.1.0".

    `effects` are the forms of the effects that there are; one without a form stands as JSON.
    A source that is not a Blob (another item's output, a file below a root) is not named.
    """
    request = essential(request)
    found = {key: to_text(leaf, value, words) for key, leaf, value in _written(request)}
    fields = _joined(found) | _model_fields(request, execution)
    if "Eta" in fields and request.sampling.sampler in _ETA_DDIM:
        fields["Eta DDIM"] = fields.pop("Eta")
    if request.source is None and request.hires is not None:
        fields["Denoising strength"] = fields.pop("Hires denoising strength")
    told = write_effects(request.effects, effects, words)
    fields |= {key: text for key, text in told.items() if key not in fields}
    ordered = {key: fields.pop(key) for key in ORDER if key in fields} | fields
    ordered.pop("Prompt", None)
    ordered.pop("Negative prompt", None)
    ordered |= _machine_fields(execution) | module_fields(request, execution.vae)
    if version:
        ordered["Version"] = f"{OURS}{version}"
    return compose(request.prompt.positive, request.prompt.negative, ordered)


def _written(request: GenerationRequest) -> list[tuple[str, Leaf, Any]]:
    """Key, leaf and value of all that the text has to say."""
    result: list[tuple[str, Leaf, Any]] = []
    for leaf in walk(GenerationRequest):
        key = leaf.param.infotext
        part = leaf.path.rpartition(".")[0]
        if key is None or get(request, part) is None:
            continue
        value = get(request, leaf.path)
        if leaf.path in PICTURES and not isinstance(value, Blob):
            continue
        silent = ABSENT_MEANS.get(key, leaf.default)
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


def _model_fields(request: GenerationRequest, execution: Execution) -> dict[str, str]:
    """The checkpoints as the machine found them: the main one by its hash, others with theirs."""
    fields: dict[str, str] = {}
    if execution.checkpoint:
        fields["Model"] = execution.checkpoint
    if execution.checkpoint_hash:
        fields["Model hash"] = execution.checkpoint_hash[:10]
    if execution.vae:
        fields["VAE hash"] = execution.vae_hash[:10]
        fields["VAE"] = execution.vae
    if request.hires is not None and request.hires.checkpoint and execution.hires_checkpoint:
        fields["Hires checkpoint"] = execution.hires_checkpoint
    if request.refiner is not None and execution.refiner:
        fields["Refiner"] = execution.refiner
    return fields


def _machine_fields(execution: Execution) -> dict[str, str]:
    """What the machine decided or found where that changed pixels."""
    fields: dict[str, str] = {}
    if execution.embedding_hashes:
        fields["TI hashes"] = execution.embedding_hashes
    if execution.lora_hashes:
        fields["Lora hashes"] = execution.lora_hashes
    if execution.dtype != "float32":
        fields["Precision"] = execution.dtype
    if execution.vae_dtype:
        fields["VAE precision"] = execution.vae_dtype
    if execution.storage == "fp8":
        fields["FP8 weight"] = "Enable"
    if execution.attention != "sdpa":
        fields["Attention"] = execution.attention
    if execution.vae_tiles:
        fields["VAE tiles"] = str(execution.vae_tiles)
    if execution.packed > 1:
        fields["Packed"] = str(execution.packed)
    return fields
