"""Pickles of every public layout, wrapped as trainers do, are known once they are converted."""

import io
from typing import Any

import pytest
import torch

from tests.library.test_identify import EXPECTED, LAYOUTS
from webui.library.conversion.archives import open_archive
from webui.library.conversion.selection import select_weights
from webui.library.headers import Header, TensorInfo
from webui.library.identify import identify

ONE = torch.tensor(0.0)
KINDS = ("checkpoint", "vae", "lora", "lycoris", "controlnet", "upscaler", "text_encoder")


def weights(layout: str) -> dict[str, torch.Tensor]:
    """The layout in full shape: every tensor is a view on one number, so that files are small."""
    return {name: ONE.expand(shape) for name, shape in LAYOUTS[layout].items()}


def converted(content: Any, older: bool = False) -> Header:
    """The header that the safetensors file would have."""
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=not older)
    stream.seek(0)
    tensors, _ = select_weights(open_archive(stream).content)
    return Header({n: TensorInfo(t.dtype, t.shape) for n, t in tensors.items()}, {})


def label(header: Header) -> str:
    found = identify(header)
    return f"{found.kind}/{found.family}/{found.variant}"


@pytest.mark.parametrize(
    "layout", sorted(n for n, told in EXPECTED.items() if n in LAYOUTS and told.startswith(KINDS))
)
def test_a_pickle_of_any_layout_is_what_its_safetensors_file_would_be(layout: str) -> None:
    wrapped = {"state_dict": weights(layout), "epoch": 3, "optimizer_states": [{"x": ONE}]}
    assert label(converted(weights(layout))) == EXPECTED[layout]
    assert label(converted(wrapped, older=True)) == EXPECTED[layout]


def test_upscalers_and_adapters_are_found_in_their_own_wrappings() -> None:
    upscaler = weights("esrgan_new_x4")
    assert label(converted({"params_ema": upscaler, "params": upscaler})) == "upscaler//esrgan"
    parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in weights("ipadapter_sd15").items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    assert label(converted(parts)) == "ip_adapter/sd1/"


@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2")])
def test_learned_words_are_embeddings(width: int, family: str) -> None:
    vectors = ONE.expand(3, width)
    older = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "cat"}
    pair = {"clip_l": ONE.expand(2, 768), "clip_g": ONE.expand(2, 1280)}
    assert label(converted(older)) == f"embedding/{family}/"
    assert label(converted({"<cat>": vectors[0]})) == f"embedding/{family}/"
    assert label(converted(pair)) == "embedding/sdxl/"
