"""How the arguments of effects stand in infotext: under the keys that older extensions wrote.

Each pair turns fields with one key for an argument into what is written, and back; the way back
also takes the spellings of other tools. A form that says more than our arguments can hold is left
alone, so that the reader tells about it.
"""

import json
from typing import Any, cast

from webui.contract.effects import Fields

STAGES = "FreeU Stages"
BACKBONE, SKIP = "backbone_factor", "skip_factor"
FREEU_KEYS = {
    **{f"freeu_{name}": f"FreeU {name}" for name in ("b1", "b2", "s1", "s2", "start", "end")},
    "freeu_enabled": "",
}
"""One writer's plain keys; an empty one says nothing more."""


def spell_freeu(fields: Fields) -> Fields:
    """One list of stages, a schedule, and the version."""
    value = {key: float(fields.get(f"FreeU {key}", 1)) for key in ("b1", "b2", "s1", "s2", "end")}
    start = float(fields.get("FreeU start", 0))
    stages = [
        {BACKBONE: value["b1"], SKIP: value["s1"]},
        {BACKBONE: value["b2"], SKIP: value["s2"]},
    ]
    return {
        STAGES: json.dumps(stages),
        "FreeU Schedule": f"{start}, {value['end']}, 0.0",
        "FreeU Version": fields.get("FreeU version", "2"),
    }


def unspell_freeu(fields: Fields) -> Fields:
    """From stages, as text of before version 2 has them too, or from one key for each argument."""
    if STAGES not in fields:
        plain = {FREEU_KEYS[key]: value for key, value in fields.items() if key in FREEU_KEYS}
        return {k: v for k, v in fields.items() if k not in FREEU_KEYS} | _named(plain)
    stages = _stages(fields[STAGES])
    schedule = fields.get("FreeU Schedule", "0.0, 1.0, 0.0").split(", ")
    if stages is None or len(schedule) != 3 or schedule[2].strip("0.") != "":
        return fields
    rest = {k: v for k, v in fields.items() if k not in (STAGES, "FreeU Schedule", "FreeU Version")}
    for number, stage in enumerate(stages, start=1):
        rest[f"FreeU b{number}"] = str(stage.get(BACKBONE, 1.0))
        rest[f"FreeU s{number}"] = str(stage.get(SKIP, 1.0))
    rest |= {"FreeU start": schedule[0], "FreeU end": schedule[1]}
    return rest | {"FreeU version": fields.get("FreeU Version", "1")}


def unspell_perturbed(fields: Fields) -> Fields:
    """Where it starts and ends was once counted in steps."""
    try:
        last = max(int(fields.get("Steps", "20")) - 1, 1)
        first, end = (int(fields.get(f"PAG {side} Step", "0")) for side in ("Start", "End"))
    except ValueError:
        return fields
    rest = {k: v for k, v in fields.items() if k not in ("PAG Start Step", "PAG End Step")}
    if len(rest) == len(fields):
        return fields
    if "PAG Start Step" in fields:
        rest["PAG start"] = str(min(round(first / last, 4), 1.0))
    if "PAG End Step" in fields:
        rest["PAG end"] = str(min(round(end / last, 4), 1.0))
    return rest


def unspell_rescale(fields: Fields) -> Fields:
    """The multiplier has had a Greek letter, and its name."""
    found = [key for key in ("CFG Rescale φ", "CFG Rescale phi") if key in fields]
    if not found:
        return fields
    rest = {key: value for key, value in fields.items() if key not in found}
    return {"CFG Rescale": fields[found[0]], **rest}


def _stages(text: str) -> list[dict[str, Any]] | None:
    """The first two stages; None where a stage holds what our arguments cannot say."""
    try:
        listed: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(listed, list):
        return None
    stages = cast("list[object]", listed)
    plain = all(isinstance(stage, dict) and stage.keys() <= {BACKBONE, SKIP} for stage in stages)
    if not plain or any(cast("list[dict[str, Any]]", stages)[2:]):
        return None
    return cast("list[dict[str, Any]]", stages[:2])


def _named(fields: Fields) -> dict[str, str]:
    return {key: value for key, value in fields.items() if key}
