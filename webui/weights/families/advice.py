"""What to ask of a model, from its header or its folder's configurations alone; torch-free."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

from webui.contract.advice import Advice
from webui.errors import UnsupportedModel
from webui.library.embedded import embedded_part, embedded_parts
from webui.library.headers import Header, read_header
from webui.weights.families.lookup import identify, identify_folder
from webui.weights.families.marks import NAME, TITLES
from webui.weights.families.rows import Defaults, ModelFamily, PredictionKind

STEPS = re.compile(r"(?<!\d)(\d{1,2})[-_ ]?steps?", re.IGNORECASE)
FEW = "{name} was distilled to paint in few steps: more guidance than {cfg:g} burns its colours."


@dataclass(frozen=True)
class Hint:
    """What a word in a model's name or title says of how it was distilled."""

    word: re.Pattern[str]
    steps: int
    cfg_scale: float
    sampler: str
    schedule: str


def _word(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


HINTS = (
    Hint(_word(r"lightning"), 4, 1.0, "euler", "sgm_uniform"),
    Hint(_word(r"(?<![a-z])hyper[-_ ]?(sd|xl|flux|\d|$)"), 8, 1.0, "euler", "sgm_uniform"),
    Hint(_word(r"(?<![a-z])lcm(?![a-z])"), 6, 1.5, "lcm", "sgm_uniform"),
    Hint(_word(r"(?<![a-z])dmd2?(?![a-z])"), 4, 1.0, "lcm", "sgm_uniform"),
    Hint(_word(r"turbo"), 4, 1.0, "euler_a", "sgm_uniform"),
)


def advise(path: Path) -> Advice:
    """What to ask of the model at `path`, a file or a folder in diffusers layout.

    Raises UnsupportedModel where it is of no family that is known, StorageError.
    """
    if path.is_dir():
        family, defaults = _of_folder(path)
        told = path.name
    else:
        header = read_header(path).marked({NAME: path.stem})
        family, defaults = _of_file(header, path.name)
        told = " ".join(header.metadata.get(key, "") for key in TITLES)
    return _advice(family, hinted(defaults, family, told, path.stem))


def hinted(defaults: Defaults, family: ModelFamily, told: str, name: str) -> Defaults:
    """`defaults` as the words in `told` change them; flows keep their sampler."""
    hint = next((hint for hint in HINTS if hint.word.search(told)), None)
    if hint is None:
        return defaults
    steps = STEPS.search(told)
    flows = family.prediction == "flow"
    return replace(
        defaults,
        steps=max(1, int(steps[1])) if steps else hint.steps,
        cfg_scale=hint.cfg_scale,
        sampler=defaults.sampler if flows else hint.sampler,
        schedule=defaults.schedule if flows else hint.schedule,
        why=defaults.why or FEW.format(name=name, cfg=hint.cfg_scale),
    )


def _of_file(header: Header, name: str) -> tuple[ModelFamily, Defaults]:
    family, own = identify(header, name), embedded_parts(header)
    if own is None:
        return family, family.defaults
    return family, _sized(family, embedded_part(own, family.network.folder))


def _of_folder(folder: Path) -> tuple[ModelFamily, Defaults]:
    index = _object(folder / "model_index.json")
    network = _object(
        folder / ("transformer" if "transformer" in index else "unet") / "config.json"
    )
    scheduler = _object(folder / "scheduler" / "scheduler_config.json")
    kinds: tuple[PredictionKind, ...] = get_args(PredictionKind)
    told = scheduler.get("prediction_type")
    # A folder that shares its scheduler with another does not tell; what to ask is the same.
    for kind in sorted(kinds, key=lambda kind: kind != told):
        try:
            family = identify_folder(index, network, kind, folder.name)
        except UnsupportedModel:
            continue
        return family, _sized(family, network)
    raise UnsupportedModel(f"{folder.name} is of no family that is known here.", str(folder))


def _sized(family: ModelFamily, network: Mapping[str, Any]) -> Defaults:
    """The family's defaults at the size that a network's own configuration names."""
    size = network.get("sample_size")
    if not isinstance(size, int) or family.prediction == "flow":
        return family.defaults
    side = size * family.latent.factor
    return replace(family.defaults, width=side, height=side)


def _advice(family: ModelFamily, defaults: Defaults) -> Advice:
    return Advice(
        family=family.name,
        label=family.label,
        width=defaults.width,
        height=defaults.height,
        steps=defaults.steps,
        cfg_scale=defaults.cfg_scale,
        sampler=defaults.sampler,
        schedule=defaults.schedule,
        why=defaults.why,
    )


def _object(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none."""
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}
