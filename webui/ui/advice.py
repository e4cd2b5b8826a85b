"""What the page says and offers when another checkpoint is chosen."""

from collections.abc import Mapping, Sequence
from typing import Any

from webui.contract.advice import Advice
from webui.contract.events import Word
from webui.contract.vocabulary import find
from webui.ui.services import Services

ADVISED = {
    "canvas.width": "width",
    "canvas.height": "height",
    "sampling.steps": "steps",
    "sampling.cfg_scale": "cfg_scale",
    "sampling.sampler": "sampler",
    "sampling.schedule": "schedule",
}
"""Fields that advice is about, and its names for them."""

SIZE = ("canvas.width", "canvas.height")
CFG = "sampling.cfg_scale"
DISTILLED_BELOW = 2.5
"""A CFG scale below this is for models that were distilled to need none."""

Values = Mapping[str, Any]


def offered(advice: Advice | None, values: Values) -> dict[str, Any]:
    """The fields that `values` had better have otherwise, with what they had better be.

    The size always; the rest only where guidance is of the wrong kind for the model, since steps
    and samplers are a matter of taste.
    """
    if advice is None:
        return {}
    cfg = values.get(CFG)
    distilled = isinstance(cfg, int | float) and cfg < DISTILLED_BELOW
    paths = ADVISED if distilled != bool(advice.why) else SIZE
    wanted = {path: getattr(advice, ADVISED[path]) for path in paths}
    return {path: value for path, value in wanted.items() if value not in ("", values.get(path))}


def offer_text(services: Services, checkpoint: str, values: Values) -> str:
    """The words of the button that sets them; empty where nothing is to offer."""
    advice = services.advice(checkpoint)
    wanted = offered(advice, values)
    if advice is None or not wanted:
        return ""
    said: list[str] = []
    if any(path in wanted for path in SIZE):
        said.append(f"{advice.width} × {advice.height}")
    if "sampling.steps" in wanted:
        said.append(f"{advice.steps} steps")
    if CFG in wanted:
        said.append(f"CFG {advice.cfg_scale:g}")
    words = services.words()
    for path, name in (("sampling.sampler", "samplers"), ("sampling.schedule", "schedules")):
        if path in wanted:
            said.append(_label(words.get(name, ()), wanted[path]))
    return f"Use {', '.join(said)}"


def warned(services: Services, checkpoint: str, cfg_scale: Any) -> tuple[float, str] | None:
    """The CFG scale that a distilled model needs, and why; None where the form's will do."""
    advice = services.advice(checkpoint)
    if advice is None or not advice.why or not isinstance(cfg_scale, int | float):
        return None
    if cfg_scale < DISTILLED_BELOW:
        return None
    was = f"CFG Scale was {cfg_scale:g} and is now {advice.cfg_scale:g}."
    return advice.cfg_scale, f"{was} {advice.why}"


def _label(words: Sequence[Word], name: str) -> str:
    word = find(words, name)
    return word.label if word else name
