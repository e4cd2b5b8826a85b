"""Original names of transformers, beside what diffusers' own converters make of them."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.weights.transformer_files import Shapes, drawn, read_shapes
from webui.errors import UnsupportedModel
from webui.weights.transformer_names import diffusers_flux, diffusers_sd3


def thin(shapes: Shapes) -> Shapes:
    """Every row, of one number each: converters move rows only."""
    return {name: (shape[0], *(1 for _ in shape[1:])) for name, shape in shapes.items()}


def same(own: dict[str, Tensor], others: dict[str, Any]) -> bool:
    return own.keys() == others.keys() and all(torch.equal(own[n], others[n]) for n in own)


@pytest.mark.parametrize("layout", ["flux_dev", "flux_schnell", "flux_fill"])
def test_flux_is_renamed_as_diffusers_does(layout: str) -> None:
    from diffusers.loaders import single_file_utils as theirs

    state = drawn(thin(read_shapes(layout)), seed=1)
    assert same(
        diffusers_flux(state),
        theirs.convert_flux_transformer_checkpoint_to_diffusers(dict(state)),
    )


@pytest.mark.parametrize("layout", ["sd3_medium", "sd35_medium", "sd35_large"])
def test_sd3_is_renamed_as_diffusers_does(layout: str) -> None:
    from diffusers.loaders import single_file_utils as theirs

    state = drawn(thin(read_shapes(layout)), seed=1)
    assert same(
        diffusers_sd3(state),
        theirs.convert_sd3_transformer_checkpoint_to_diffusers(dict(state)),
    )


def test_renaming_copies_nothing_but_the_last_modulation() -> None:
    state = drawn(thin(read_shapes("flux_dev")), seed=1)
    held = {tensor.untyped_storage().data_ptr() for tensor in state.values()}
    made = diffusers_flux(state)
    copied = [n for n, t in made.items() if t.untyped_storage().data_ptr() not in held]
    assert copied == ["norm_out.linear.weight", "norm_out.linear.bias"]


def test_a_tensor_without_a_place_is_refused() -> None:
    state = drawn(thin(read_shapes("flux_dev")), seed=1)
    state["distilled_guidance_layer.norms.0.scale"] = torch.zeros(1)
    with pytest.raises(UnsupportedModel, match="unknown kind"):
        diffusers_flux(state)
