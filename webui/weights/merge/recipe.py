"""What is written into a merged file about how it came to be, in the older UI's words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.contract.merging import MergeRequest
from webui.library.embedded import MARK
from webui.library.hashes import old_hash
from webui.library.headers import Header

RECIPE, MODELS = "sd_merge_recipe", "sd_merge_models"
METHODS = {
    "none": "No interpolation",
    "weighted_sum": "Weighted sum",
    "add_difference": "Add difference",
}
CONFIGS = {"any": 0, "b": 1, "c": 2, "none": 3}
TITLE, OLD_HASH = "modelspec.title", "modelspec.hash_sha256"
LONGEST_STEM = 60


@dataclass(frozen=True)
class Source:
    """One of the merged models: its name, file, header and hash."""

    name: str
    path: Path
    header: Header
    sha256: str


def make_metadata(
    asked: MergeRequest, sources: tuple[Source, ...], name: str, suffix: str
) -> dict[str, str]:
    """The result's metadata: the sources' own (A's first, later ones win), then the recipe.

    The description of A's parts is always kept, since the file cannot be loaded without it.
    """
    told: dict[str, str] = {}
    if asked.save_metadata:
        if asked.copy_metadata:
            for source in sources:
                told.update(source.header.metadata)
            told.pop(OLD_HASH, None)
            if TITLE in told:
                told[TITLE] = name
        told.update({key: _text(value) for key, value in asked.metadata.items()})
        if asked.add_recipe:
            told[RECIPE] = json.dumps(_recipe(asked, sources, suffix))
            told[MODELS] = json.dumps(_models(sources))
    told.pop(MARK, None)
    own = sources[0].header.metadata
    return told | ({MARK: own[MARK]} if MARK in own else {})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _recipe(asked: MergeRequest, sources: tuple[Source, ...], suffix: str) -> dict[str, Any]:
    hashes = [source.sha256 for source in sources] + [None] * (3 - len(sources))
    recipe = {
        "type": "webui",
        "primary_model_hash": hashes[0],
        "secondary_model_hash": hashes[1],
        "tertiary_model_hash": hashes[2],
        "interp_method": METHODS[asked.method],
        "multiplier": asked.multiplier,
        "save_as_half": asked.precision == "fp16",
        "custom_name": asked.name,
        "config_source": CONFIGS[asked.config],
        "bake_in_vae": asked.vae or "None",
        "discard_weights": asked.discard,
        "is_inpainting": suffix == ".inpainting",
        "is_instruct_pix2pix": suffix == ".instruct-pix2pix",
    }
    return recipe | ({"block_weights": list(asked.blocks)} if asked.blocks else {})


def _models(sources: tuple[Source, ...]) -> dict[str, Any]:
    """The sources by hash, and what they were merged from in turn."""
    told: dict[str, Any] = {}
    for source in sources:
        own = source.header.metadata
        told[source.sha256] = {
            "name": source.name,
            "legacy_hash": old_hash(source.path),
            "sd_merge_recipe": _loaded(own, RECIPE),
        }
        told.update(_loaded(own, MODELS) or {})
    return told


def _loaded(metadata: Mapping[str, str], key: str) -> Any:
    try:
        found = json.loads(metadata.get(key, "null"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def name_of(asked: MergeRequest, sources: tuple[Source, ...]) -> str:
    """The result's name without ending: the wish, or the sum as a formula."""
    if asked.name:
        return asked.name
    stems = [source.path.stem[:LONGEST_STEM] for source in sources]
    share = f"{round(asked.multiplier, 2):g}"
    if asked.method == "none":
        return f"{stems[0]}-copy"
    if asked.method == "add_difference":
        return f"{stems[0]} + {share}({stems[1]} - {stems[2]})"
    return f"{round(1 - asked.multiplier, 2):g}({stems[0]}) + {share}({stems[1]})"
