"""What of a request can change its one picture; the rest is noise in a text about it."""

from collections.abc import Mapping
from typing import Any

from webui.contract.fields import get, leaves, nest
from webui.contract.request import GenerationRequest, Inpaint, InpaintArea

OWN_ETA: Mapping[str, float | None] = {
    **dict.fromkeys(
        ("euler", "lms", "heun", "dpm2", "dpmpp_2m", "restart", "plms", "unipc", "lcm"), None
    ),
    **dict.fromkeys(
        ("euler_a", "dpm2_a", "dpmpp_2s_a", "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_2m_sde_heun",
         "dpmpp_3m_sde", "dpm_fast", "dpm_adaptive"), 1.0
    ),
    **dict.fromkeys(("ddim", "ddim_cfgpp"), 0.0),
}  # fmt: skip
"""The eta that each built-in sampler runs with by itself; None where it takes none."""

CHURNING = frozenset({"euler", "heun", "dpm2"})
"""Built-in samplers that know churn; one that is in neither table may use anything."""

BROWNIAN = frozenset({"dpmpp_sde", "dpmpp_2m_sde", "dpmpp_2m_sde_heun", "dpmpp_3m_sde"})
"""Built-in samplers whose noise is a path of its own, which no seed delta moves."""

SCALING = CHURNING | BROWNIAN | {"dpm2_a", "dpmpp_2s_a", "dpm_fast"}
"""Built-in samplers that scale the noise of their steps."""

STILL = frozenset({"lms", "dpmpp_2m", "plms", "unipc"})
"""Built-in samplers that never draw noise."""

CHURN = ("sampling.s_churn", "sampling.s_tmin", "sampling.s_tmax")


def essential(request: GenerationRequest) -> GenerationRequest:
    """`request` with every value that cannot change the pixels of its one picture at its default.

    Such are a variation seed at strength 0, half a size to resize the seed from, the rule for
    strength 0 above it, the factor beside a hires size, hires settings equal to those of the first
    pass, what the built-in samplers in use do not look at, and the batch numbers.
    """
    changes: dict[str, Any] = {"canvas.batch_count": 1, "canvas.batch_size": 1}
    noise = request.noise
    if noise.variation_strength == 0:
        changes["noise.variation_seed"] = -1
    if not (noise.resize_from_width and noise.resize_from_height):
        changes |= {"noise.resize_from_width": 0, "noise.resize_from_height": 0}
    source = request.source
    if source is not None and (source.denoising_strength > 0 or source.exact_steps):
        changes["source.zero_strength_step"] = False
    if source is not None and source.inpaint is not None:
        changes |= _mask_changes(source.inpaint)
    changes |= _hires_changes(request) | _sampler_changes(request) | _reading_changes(request)
    return nest(request, changes)


def takes_eta(sampler: str) -> bool:
    """Whether a sampler looks at eta; one that is not built in may."""
    return OWN_ETA.get(sampler, 1.0) is not None


def _mask_changes(inpaint: Inpaint) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if inpaint.blur_down == inpaint.blur:
        changes["source.inpaint.blur_down"] = None
    if inpaint.area is InpaintArea.WHOLE_PICTURE:
        changes["source.inpaint.padding"] = _default("source.inpaint.padding")
    return changes


def _hires_changes(request: GenerationRequest) -> dict[str, Any]:
    hires = request.hires
    if hires is None:
        return {"refiner.hires_pass": _default("refiner.hires_pass")} if request.refiner else {}
    changes: dict[str, Any] = {"hires.scale": 2.0} if hires.width or hires.height else {}
    same = {
        "hires.sampler": "sampling.sampler",
        "hires.schedule": "sampling.schedule",
        "hires.prompt": "prompt.positive",
        "hires.negative_prompt": "prompt.negative",
        "hires.checkpoint": "model.checkpoint",
        "hires.cfg_scale": "sampling.cfg_scale",
        "hires.distilled_cfg_scale": "sampling.distilled_cfg_scale",
    }
    equal = [path for path, first in same.items() if get(request, path) == get(request, first)]
    return changes | {path: _default(path) for path in equal}


def _sampler_changes(request: GenerationRequest) -> dict[str, Any]:
    """Defaults for what no sampler of this request looks at."""
    sampling, used = request.sampling, {request.sampling.sampler}
    if request.hires is not None and request.hires.sampler:
        used.add(request.hires.sampler)
    if not used <= OWN_ETA.keys():
        return {}
    unread = [path for path in _LEAVES if path.startswith("unipc.") and "unipc" not in used]
    if {OWN_ETA[name] for name in used} - {None} <= {sampling.eta}:
        unread.append("sampling.eta")
    churns = bool(used & CHURNING) and sampling.s_churn > 0
    if not churns:
        unread += CHURN
    if not used & (SCALING if churns else SCALING - CHURNING):
        unread.append("sampling.s_noise")
    if all(name in BROWNIAN or _is_still(name, sampling.eta, churns) for name in used):
        unread.append("sampling.ensd")
    return {path: _default(path) for path in unread}


def _is_still(sampler: str, eta: float | None, churns: bool) -> bool:
    """Whether a built-in sampler draws no noise for its steps."""
    own = OWN_ETA[sampler]
    if own is not None:
        return (own if eta is None else eta) == 0
    return sampler in STILL or (sampler in CHURNING and not churns)


def _reading_changes(request: GenerationRequest) -> dict[str, Any]:
    """The older timelines say nothing where no prompt has a bracket."""
    texts = [request.prompt.positive, request.prompt.negative]
    if request.hires is not None:
        texts += [request.hires.prompt, request.hires.negative_prompt]
    return {} if any("[" in text for text in texts) else {"reading.old_editing": False}


def _default(path: str) -> Any:
    return _LEAVES[path].default


_LEAVES = leaves(GenerationRequest)
