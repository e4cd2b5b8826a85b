"""Infotext of older writers, rewritten into today's keys before it is read.

Each rule is a function from fields to fields; `modernise` applies them in order. The rules are
those of the older UI's reader, with one made faithful: a plain sampler name from before 1.9 stood
for the model's uniform schedule, so that is what it becomes.
"""

import math
import re
from collections.abc import Mapping

from webui.contract.events import Word
from webui.contract.infotext.grammar import Infotext
from webui.contract.infotext.modules import named_modules, without_modules
from webui.contract.infotext.names import OTHER_SCHEDULES, other_sampler
from webui.contract.infotext.values import Words
from webui.contract.vocabulary import find

OURS = "palimpsest v"
"""How our own Version begins: the older UI's readers take it for no version and apply no rule."""

PLAIN_MEANT_UNIFORM = frozenset({
    "dpm++ 2m", "dpm++ sde", "dpm++ 2m sde", "dpm++ 2m sde heun", "dpm++ 3m sde", "dpm++ 2s a",
    "dpm2", "dpm2 a",
})  # fmt: skip
"""Samplers whose Automatic schedule is another one since 1.9 than their plain name was before."""

_PAIRS = (("Sampler", "Schedule type"), ("Hires sampler", "Hires schedule type"))
_SAME = frozenset({"Use same sampler", "Use same scheduler", "Use same checkpoint"})
_NONE_MEANS_ABSENT = ("Refiner", "Hires checkpoint")
_OLDER = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-(\d+))?")
_FORGE = re.compile(r"f\d[\d.]*v(\d+)\.(\d+)(?:\.(\d+))?")
_HASH_SUFFIX = re.compile(r"\([0-9a-fA-F]+\)$")

Number = tuple[int, int, int, int]
"""A version of the older UI: major, minor, patch, and commits since then."""


def modernise(info: Infotext, words: Words) -> Infotext:
    """The same settings in today's keys; text that this program wrote passes unchanged."""
    fields = _eta(dict(info.fields))
    if is_ours(info):
        return Infotext(info.prompt, info.negative_prompt, without_modules(fields))
    fields = {key: value for key, value in fields.items() if value not in _SAME}
    for key in _NONE_MEANS_ABSENT:
        if fields.get(key, "").casefold() in ("none", ""):
            fields.pop(key, None)
    tags, fields = _network_tags(fields)
    fields = _first_pass_size(fields)
    # A text that knows of schedules means "the same" where the second pass has none.
    pairs = _PAIRS[:1] if "Schedule type" in fields else _PAIRS
    for sampler, schedule in _PAIRS:
        fields = _other_names(fields, sampler, schedule, words)
        fields = _schedule_in_name(fields, sampler, schedule, words)
    for sampler, schedule in pairs:
        fields = _old_plain_name(fields, sampler, schedule, words)
    fields = named_modules(_comfy(_old_rules(fields, info)), words)
    return Infotext(info.prompt + tags, info.negative_prompt, fields)


def is_ours(info: Infotext) -> bool:
    """Whether this program wrote the text; then an absent key means its default."""
    return info.fields.get("Version", "").startswith(OURS)


def older_version(version: str) -> Number | None:
    """The version of the older UI that a text names; None for every other program."""
    found = _OLDER.match(version)
    return _number(found) if found else None


def meant_uniform(fields: Mapping[str, str]) -> bool:
    """Whether the writer's plain sampler names stood for the model's own schedule.

    So they did in the older UI before 1.9, in what was built on it, and where no version is told.
    """
    version = fields.get("Version", "")
    if not version:
        return "App" not in fields
    found = _OLDER.match(version) or _FORGE.match(version)
    return found is not None and "App" not in fields and _number(found) < (1, 9, 0, 0)


def _number(found: re.Match[str]) -> Number:
    major, minor, patch, commits = (int(part or 0) for part in (*found.groups(), "0")[:4])
    return major, minor, patch, commits


def split_sampler(
    name: str, samplers: tuple[Word, ...], schedules: tuple[Word, ...]
) -> tuple[Word, Word] | None:
    """The sampler and schedule in a combined name, as "DPM++ 2M Karras"; None where it is not one.

    The longest schedule name is tried first: "SGM Uniform" also ends in "Uniform".
    """
    names = [(n, word) for word in schedules for n in (word.label, word.id, *word.aliases)]
    for ending, schedule in sorted(names, key=lambda pair: -len(pair[0])):
        if name.casefold().endswith(f" {ending.casefold()}"):
            sampler = find(samplers, name[: -len(ending) - 1].strip())
            if sampler is not None:
                return sampler, schedule
    return None


def _schedule_in_name(
    fields: dict[str, str], sampler: str, schedule: str, words: Words
) -> dict[str, str]:
    """Split "DPM++ 2M Karras"; a schedule given apart wins over the one in the name."""
    samplers, schedules = words.get("samplers", ()), words.get("schedules", ())
    name = fields.get(sampler, "").strip()
    if not name or find(samplers, name) is not None:
        return fields
    parts = split_sampler(name, samplers, schedules)
    if parts is None:
        return fields
    apart = fields.get(schedule, "")
    if apart.strip().casefold() in ("", "automatic"):
        apart = parts[1].label
    return {**fields, sampler: parts[0].label, schedule: apart}


def _old_plain_name(
    fields: dict[str, str], sampler: str, schedule: str, words: Words
) -> dict[str, str]:
    if schedule in fields or sampler not in fields or not meant_uniform(fields):
        return fields
    word = find(words.get("samplers", ()), fields[sampler].strip())
    if word is None:
        return fields
    plain = word.label.casefold() in PLAIN_MEANT_UNIFORM
    return {**fields, schedule: "Uniform" if plain else "Automatic"}


def _other_names(
    fields: dict[str, str], sampler: str, schedule: str, words: Words
) -> dict[str, str]:
    """Names of other programs that stand in text of the older form, as `dpmpp_2m_karras`."""
    name = fields.get(sampler, "").strip()
    apart = fields.get(schedule, "").strip()
    known = words.get("samplers", ()), words.get("schedules", ())
    if find(known[0], name) is None:
        parts = other_sampler(name)
        if parts is None:
            return fields
        fields = {**fields, sampler: parts[0]}
        apart = apart or parts[1]
    if apart and find(known[1], apart) is None:
        apart = OTHER_SCHEDULES.get(apart.casefold().replace(" ", "_"), apart)
    return {**fields, schedule: apart} if apart else fields


def _old_rules(fields: dict[str, str], info: Infotext) -> dict[str, str]:
    """What versions of the older UI did that later ones do only when a key asks for it."""
    version = older_version(fields.get("Version", ""))
    if version is None or "App" in fields:
        return fields
    rules: dict[str, str] = {}
    if version < (1, 6, 0, 0):
        if "[" in info.prompt or "[" in info.negative_prompt:
            rules["Old prompt editing timelines"] = "True"
        if fields.get("Sampler") in ("DDIM", "PLMS"):
            rules["Pad conds v0"] = "True"
    if version < (1, 7, 0, 225):
        rules["Downcast alphas_cumprod"] = "True"
    if version < (1, 8, 0, 0) and "Refiner" in fields:
        rules["Refiner switch by sampling steps"] = "True"
    return rules | fields


def _comfy(fields: dict[str, str]) -> dict[str, str]:
    """ComfyUI's exports in the older form: noise from the CPU, a bare name is its Normal."""
    if not fields.get("Version", "").startswith("ComfyUI"):
        return fields
    return {"Schedule type": "Normal", "RNG": "CPU"} | fields


def _eta(fields: dict[str, str]) -> dict[str, str]:
    if "Eta DDIM" not in fields or "Eta" in fields:
        return fields
    return {"Eta" if key == "Eta DDIM" else key: value for key, value in fields.items()}


def _first_pass_size(fields: dict[str, str]) -> dict[str, str]:
    """Writers up to 1.0: Size was the target and "First pass size" what is Size today."""
    try:
        first = [int(fields[f"First pass size-{side}"]) for side in (1, 2)]
        size = [int(fields[f"Size-{side}"]) for side in (1, 2)]
    except (KeyError, ValueError):
        return fields
    result = {key: v for key, v in fields.items() if not key.startswith("First pass size-")}
    if first == [0, 0] and min(size) > 0:
        first = [*first_pass_size(size[0], size[1])]
    for side, length in enumerate(first, start=1):
        result[f"Hires resize-{side}"] = result[f"Size-{side}"]
        result[f"Size-{side}"] = str(length)
    return result


def first_pass_size(width: int, height: int) -> tuple[int, int]:
    """The size that the oldest hires fix painted at first: about 512 x 512, in steps of 64."""
    scale = math.sqrt(512 * 512 / (width * height))
    return math.ceil(scale * width / 64) * 64, math.ceil(scale * height / 64) * 64


def _network_tags(fields: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Prompt tags for hypernetworks and additional networks, which once were fields."""
    rest, tags = dict(fields), ""
    if rest.get("Hypernet"):
        tags += f"<hypernet:{rest.pop('Hypernet')}:{rest.pop('Hypernet strength', '1.0')}>"
    for n in range(1, 6):
        if rest.get(f"AddNet Module {n}") == "LoRA" and rest.get(f"AddNet Model {n}"):
            name = _HASH_SUFFIX.sub("", rest.pop(f"AddNet Model {n}"))
            tags += f"\n<lora:{name}:{rest.pop(f'AddNet Weight A {n}', '1.0')}>"
            rest.pop(f"AddNet Module {n}")
    return tags, rest
