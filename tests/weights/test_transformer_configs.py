"""What real shapes say of a transformer, beside the published configurations."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.weights.transformer_files import read_shapes
from webui.errors import UnsupportedModel
from webui.library.entries import TensorInfo
from webui.library.headers import Header
from webui.weights.architecture import fitted_config, read_config
from webui.weights.families import FAMILIES, Part

PARTS = {family.name: family.network for family in FAMILIES}
DEPTHS = {"num_layers", "num_single_layers", "dual_attention_layers"}
"""What the reduced layouts have less of."""


def header(layout: str) -> Header:
    shapes = read_shapes(layout)
    return Header({name: TensorInfo("F16", shape) for name, shape in shapes.items()}, {})


def bare(part: Part) -> Part:
    return Part(part.folder, "", part.kind, part.config)


FLUX = read_config("flux/transformer.json")
SD3 = read_config("sd3/transformer.json")
LARGE = {"num_attention_heads": 38, "caption_projection_dim": 2432, "qk_norm": "rms_norm"}


@pytest.mark.parametrize(
    ("layout", "published"),
    [
        ("flux_dev", FLUX),
        ("flux_schnell", FLUX | {"guidance_embeds": False}),
        ("flux_fill", FLUX | {"in_channels": 384}),
        ("sd3_medium", SD3),
        ("sd35_medium", SD3 | {"qk_norm": "rms_norm", "pos_embed_max_size": 384}),
        ("sd35_large", SD3 | LARGE),
    ],
)
def test_real_shapes_give_the_published_values(layout: str, published: Mapping[str, Any]) -> None:
    fitted = fitted_config(bare(PARTS[layout]), header(layout))
    assert {k: v for k, v in fitted.items() if k not in DEPTHS} == {
        k: v for k, v in published.items() if k not in DEPTHS
    }


def test_depths_are_counted() -> None:
    flux = fitted_config(bare(PARTS["flux_dev"]), header("flux_dev"))
    assert (flux["num_layers"], flux["num_single_layers"]) == (2, 2)
    medium = fitted_config(bare(PARTS["sd35_medium"]), header("sd35_medium"))
    assert (medium["num_layers"], medium["dual_attention_layers"]) == (3, [0])


def test_real_shapes_of_t5_give_the_published_values() -> None:
    part = Part("text_encoder_2", "", "T5EncoderModel", "t5/text_encoder.json")
    fitted = fitted_config(part, header("t5xxl"))
    assert fitted | {"num_layers": 24} == read_config("t5/text_encoder.json")


def test_a_transformer_without_its_input_layer_is_refused() -> None:
    full = header("flux_dev")
    kept = {name: info for name, info in full.tensors.items() if name != "txt_in.weight"}
    with pytest.raises(UnsupportedModel, match="not built as its family"):
        fitted_config(bare(PARTS["flux_dev"]), Header(kept, {}))
