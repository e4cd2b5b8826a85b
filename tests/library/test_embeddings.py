"""Embeddings are told, named and fitted to text encoders by their headers alone."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from webui.library.catalog import ModelFile
from webui.library.embeddings import EmbeddingFile, bundled_vectors, find_vectors, mentioned
from webui.library.entries import TensorInfo
from webui.library.identify import Identity
from webui.library.towers import clip_widths

SDXL = {"text_encoder": 768, "text_encoder_2": 1280}


def tensors(**shapes: tuple[int, ...]) -> dict[str, TensorInfo]:
    return {name: TensorInfo("F32", shape) for name, shape in shapes.items()}


PAIR = tensors(clip_l=(4, 768), clip_g=(4, 1280))
PLAIN = tensors(emb_params=(4, 768))


@pytest.mark.parametrize(
    ("file", "encoders", "fits"),
    [
        (PLAIN, {"text_encoder": 768}, {"text_encoder": "emb_params"}),
        (PLAIN, {"text_encoder": 1024}, {}),
        (PLAIN, SDXL, {}),
        (PLAIN, {}, {}),
        (PAIR, SDXL, {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}),
        (PAIR, {"text_encoder_2": 1280}, {"text_encoder_2": "clip_g"}),  # the refiner
        (PAIR, {"text_encoder": 768}, {}),
        (tensors(clip_g=(4, 1280)), SDXL, {}),
    ],
)
def test_every_text_encoder_gets_vectors_of_its_width_or_none_does(
    file: Mapping[str, TensorInfo], encoders: Mapping[str, int], fits: Mapping[str, str]
) -> None:
    vectors = find_vectors(file)
    assert vectors is not None and vectors.count == 4
    assert vectors.fit(encoders) == fits


def test_other_files_are_no_embeddings() -> None:
    assert find_vectors(tensors(a=(4, 768), b=(4, 768))) is None
    assert find_vectors(tensors(clip_l=(4, 768), clip_g=(5, 1280))) is None
    assert find_vectors(tensors(a=(1, 4, 768))) is None
    assert find_vectors({}) is None
    single = find_vectors(tensors(word=(768,)))
    assert single is not None and (single.count, single.shape) == (1, 768)


def test_a_lora_may_bring_several() -> None:
    inside = {"bundle_emb.owl.string_to_param.*": (2, 768), "lora_unet_x.alpha": ()}
    inside |= {"bundle_emb.elk.clip_l": (3, 768), "bundle_emb.elk.clip_g": (3, 1280)}
    found = bundled_vectors({name: TensorInfo("F32", shape) for name, shape in inside.items()})
    assert {name: vectors.count for name, vectors in found.items()} == {"owl": 2, "elk": 3}


def test_names_are_looked_for_without_blanks_case_and_backslashes() -> None:
    files = [EmbeddingFile(name, Path(name)) for name in ("Red Fox", "ink(v2)", "owl")]
    found = mentioned(files, ["a RED  FOX,", r"by ink\(v2\)"])
    assert [file.name for file in found] == ["Red Fox", "ink(v2)"]


@pytest.mark.parametrize(
    ("family", "widths"),
    [("sd1", {"text_encoder": 768}), ("sdxl", SDXL), ("sd35_large", SDXL), ("strange", {})],
)
def test_single_files_have_the_text_encoders_of_their_family(
    tmp_path: Path, family: str, widths: Mapping[str, int]
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes((2).to_bytes(8, "little") + b"{}")
    file = ModelFile("m", path, "single_file", path, identity=Identity("checkpoint", family))
    assert clip_widths(file) == widths
