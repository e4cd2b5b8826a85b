"""Names of samplers and schedules in bodies of the older surface, of every age.

A body that names no schedule apart is read as the versions before 1.9 read it, which had none:
the schedule is part of the sampler's name, and a plain name means the model's own spacing. With
`scheduler` in the body, "Automatic" among them, it is read as later versions read it.
"""

from collections.abc import Mapping
from typing import Any

from webui.contract.events import Word
from webui.contract.infotext.dialects import PLAIN_MEANT_UNIFORM, split_sampler
from webui.contract.vocabulary import find, resolve

Words = Mapping[str, tuple[Word, ...]]

SAME = ("", "None", "Use same checkpoint", "Use same sampler", "Use same scheduler")
OWN_STEPS = frozenset({"ddim", "ddim_cfgpp", "plms", "unipc"})
"""Samplers that the older option for the schedule never reached; their eta is "Eta DDIM"."""


def sampler_values(
    sent: Mapping[str, Any], words: Words, override: Mapping[str, Any]
) -> dict[str, str]:
    """The first pass's sampler and schedule by path; `override` holds the older options.

    Raises NotFound with the older name of the field.
    """
    field = "sampler_name" if sent.get("sampler_name") else "sampler_index"
    values = read_name(sent.get(field, ""), field, words)
    apart = _schedule(sent.get("scheduler", ""), "scheduler", words)
    if apart and not (apart == "automatic" and values.get("schedule")):
        values["schedule"] = apart
    if values and not _tells_schedule(sent):
        values.setdefault("schedule", plain_schedule(values["sampler"], words))
    forced = _schedule(override.get("k_sched_type", ""), "override_settings.k_sched_type", words)
    if forced not in ("", "automatic") and values.get("sampler") not in OWN_STEPS:
        values["schedule"] = forced
    return {f"sampling.{name}": value for name, value in values.items()}


def hires_sampler_values(sent: Mapping[str, Any], words: Words) -> dict[str, str]:
    """The second pass's own sampler and schedule by path; nothing where they are the same."""
    values = read_name(sent.get("hr_sampler_name", ""), "hr_sampler_name", words)
    apart = _schedule(sent.get("hr_scheduler", ""), "hr_scheduler", words)
    if apart:
        values["schedule"] = apart
    if values and not _tells_schedule(sent):
        values.setdefault("schedule", plain_schedule(values["sampler"], words))
    return {f"hires.{name}": value for name, value in values.items()}


def read_name(name: str, field: str, words: Words) -> dict[str, str]:
    """Ids of the sampler and, where a combined name holds one, the schedule."""
    if not name or name in SAME:
        return {}
    samplers = words["samplers"]
    parts = None if find(samplers, name) else split_sampler(name, samplers, words["schedules"])
    if parts:
        return {"sampler": parts[0].id, "schedule": parts[1].id}
    return {"sampler": resolve("sampler", samplers, name, field).id}


def plain_schedule(sampler: str, words: Words) -> str:
    """The schedule that a sampler's plain name stood for before 1.9."""
    word = find(words["samplers"], sampler)
    plain = word is not None and word.label.casefold() in PLAIN_MEANT_UNIFORM
    return "uniform" if plain else "automatic"


def old_karras_range(sampling: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, float]:
    """The noise range of the older compatibility option, for Karras and for k_sched_type."""
    chosen = sampling.get("sampling.schedule")
    forced = str(options.get("k_sched_type", "")).casefold() not in ("", "automatic")
    if not options.get("use_old_karras_scheduler_sigmas") or not (chosen == "karras" or forced):
        return {}
    return {
        "levels.sigma_min": options.get("sigma_min") or 0.1,
        "levels.sigma_max": options.get("sigma_max") or 10.0,
    }


def _tells_schedule(sent: Mapping[str, Any]) -> bool:
    """Whether a body, or the text that it brings along, knows of schedules apart."""
    return any(sent.get(name) for name in ("scheduler", "hr_scheduler", "infotext"))


def _schedule(name: str, field: str, words: Words) -> str:
    if not name or name in SAME:
        return ""
    return resolve("schedule type", words["schedules"], name, field).id
