"""The quiet line below Generate: what the form will need, before it is asked for."""

import logging
from typing import TypedDict

from webui.contract.estimates import Estimate
from webui.errors import WebuiError
from webui.ui.form import Values, collect
from webui.ui.layout import Mode
from webui.ui.services import Services

log = logging.getLogger(__name__)

WATCHED = (
    "model.checkpoint", "canvas.width", "canvas.height", "canvas.batch_count", "canvas.batch_size",
    "sampling.sampler", "sampling.steps", "sampling.cfg_scale", "source.denoising_strength",
    "tick:hires", "hires.scale", "hires.width", "hires.height", "hires.steps", "tick:refiner",
)  # fmt: skip
"""What memory and time depend on, by the names of a form's values."""

GIGA = 1000  # megabytes
MINUTE, HOUR = 60, 3600
STAND_IN = {"sha256": "0" * 64}
"""For a source that is yet to be chosen: what it shows makes no difference."""


class Outlook(TypedDict):
    """What the line says, what is said about the plan below it, and whether that is a warning."""

    text: str
    note: str
    warning: bool


NOTHING = Outlook(text="", note="", warning=False)


def outlook(services: Services, mode: Mode, values: Values) -> Outlook:
    """What the form needs; nothing where it is not known or the form is not ready. Never raises."""
    if services.estimate is None:
        return NOTHING
    given = dict(values)
    if mode == "img2img" and not isinstance(given.get("source.image"), dict):
        given["source.image"] = STAND_IN
    try:
        estimate = services.estimate(collect(mode, given, services.scripts, services.effects))
    except WebuiError:  # the form is unfinished, or there is no checkpoint
        return NOTHING
    except Exception:
        log.exception("A form could not be weighed")
        return NOTHING
    return said(estimate)


def said(estimate: Estimate) -> Outlook:
    """An estimate in a few words; in a sentence where the model does not lie there as a whole."""
    peak = estimate.peak_mb[estimate.placement] / GIGA
    text = f"About {peak:.1f} GB"
    if estimate.memory_mb:
        text = f"About {peak:.1f} of {estimate.memory_mb / GIGA:.1f} GB"
    if estimate.seconds is not None:
        text += f" · {duration(estimate.seconds)}"
    plain = estimate.fits and estimate.placement == "full"
    note = "" if plain else estimate.sentence
    return Outlook(text=text, note=note, warning=not estimate.fits)


def duration(seconds: float) -> str:
    """A time as one says it: 8 s, 3 min, 2 h."""
    if seconds < 2 * MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < 2 * HOUR:
        return f"{round(seconds / MINUTE)} min"
    return f"{round(seconds / HOUR)} h"
