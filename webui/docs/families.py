"""The page about model families, from the rows of the table and the tests that prove them."""

from collections.abc import Mapping
from types import MappingProxyType

from webui.contract.vocabulary import builtin, find
from webui.weights.families import FAMILIES, ModelFamily

UNETS = "tests/generation/test_family_pipelines.py"
TRANSFORMERS = "tests/weights/test_transformer_pipelines.py"
PROOFS: Mapping[str, str] = MappingProxyType(
    {f.name: TRANSFORMERS if f.prediction == "flow" else UNETS for f in FAMILIES}
)
"""By row, the test that compares it with diffusers' own pipeline on the same weights."""

PREDICTIONS = {"epsilon": "noise", "v_prediction": "v", "flow": "flow"}
SEES = {
    "nothing": "",
    "mask": "mask and picture",
    "picture": "picture",
    "reference": "reference picture",
}

HEAD = """# Model families

What kinds of models are loaded, told by their names and shapes whatever the file is called. Each
row is compared with diffusers' own pipeline by the test beside it: the same weights, in the true
layout with less width and depth, and the same noise give the same latents to a thousandth. Values
are those that the page offers; the hints in a model's name (Turbo, Lightning, Hyper, LCM, DMD)
change them. Files that need more than these rows give them (unCLIP, depth, EDM) are refused, and
the message says what they look like.

| family | name | predicts | sees besides | text encoders | size | steps | CFG | sampler | test |
|---|---|---|---|---|---|---|---|---|---|
"""


def families_page() -> str:
    """The page about every model family."""
    return HEAD + "".join(map(_row, FAMILIES))


def _row(family: ModelFamily) -> str:
    defaults = family.defaults
    encoders = ", ".join(
        f"({encoder.folder})" if encoder.optional else encoder.folder for encoder in family.encoders
    )
    sampler = find(builtin()["samplers"], defaults.sampler) if defaults.sampler else None
    cells = (
        family.label,
        f"`{family.name}`",
        PREDICTIONS[family.prediction],
        SEES[family.sees],
        encoders.replace("text_encoder", "encoder"),
        f"{defaults.width} × {defaults.height}",
        str(defaults.steps),
        f"{defaults.cfg_scale:g}",
        sampler.label if sampler else "any",
        f"`{PROOFS[family.name]}`",
    )
    return f"| {' | '.join(cells)} |\n"
