"""Headers of GGUF files: what they say, and those that are made to do harm."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest

from webui.errors import UnsupportedModel
from webui.library.entries import TensorInfo
from webui.library.gguf import MAX_WORDS
from webui.library.headers import read_header
from webui.library.identify import Identity, identify


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def entry(name: str = "x", shape: tuple[int, ...] = (4, 2), kind: int = 0, at: int = 0) -> bytes:
    axes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + axes + struct.pack("<IQ", kind, at)


def header(entries: bytes = b"", tensors: int = 0, values: bytes = b"", remarks: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, remarks) + values + entries


def write(folder: Path, content: bytes, data: int = 4096) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(content + bytes(data))
    return path


def test_names_shapes_kinds_and_metadata_are_read(tmp_path: Path) -> None:
    path = tmp_path / "any name"
    writer = gguf.GGUFWriter(path, "flux")
    writer.add_name("A model")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    writer.add_array("tokenizer.ggml.scores", [0.5] * 100)
    writer.add_bool("truth", True)
    writer.add_tensor("x", np.zeros((4, 2), np.float32))
    writer.add_tensor("y", np.zeros((3, 34), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    read = read_header(path)
    assert read.tensors == {"x": TensorInfo("F32", (4, 2)), "y": TensorInfo("Q8_0", (3, 32))}
    assert read.metadata["general.architecture"] == "flux"
    assert read.metadata["general.name"] == "A model"
    assert read.metadata["truth"] == "True"
    assert "tokenizer.ggml.tokens" not in read.metadata


def test_a_transformer_alone_is_identified_from_its_gguf_header(tmp_path: Path) -> None:
    names = ("double_blocks.0.img_attn.norm.key_norm.scale", "double_blocks.0.img_mod.lin.weight")
    entries = entry("img_in.weight", (64, 3072), kind=1)
    for index, name in enumerate((*names, "guidance_in.in_layer.weight")):
        entries += entry(name, (32,), at=393216 + 128 * index)
    found = identify(read_header(write(tmp_path, header(entries, 4), 400_000)))
    assert found == Identity("checkpoint", "flux", "dev", ("network",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (header(tensors=2**62), "tensors"),
        (header(remarks=2**62), "remarks"),
        (header(values=struct.pack("<Q", 2**62), remarks=1), "letters"),
        (header(values=text("a") + struct.pack("<IIQ", 9, 8, 2**60), remarks=1), "words"),
        (header(values=text("a") + struct.pack("<IIQ", 9, 12, 2**60), remarks=1), "values"),
        (header(values=text("a") + struct.pack("<IIQ", 9, 9, 1), remarks=1), "unknown kind 9"),
        (header(values=text("a") + struct.pack("<I", 77), remarks=1), "unknown kind 77"),
        (header(entry(shape=(1,) * 99), 1), "axes"),
        (header(entry(shape=(2**62, 2**62)), 1), "ends at byte"),
        (header(entry(kind=31), 1), "unknown kind 31"),
        (header(entry(kind=12), 1), "impossible shape"),
        (header(entry(at=2**60), 1), "ends at byte"),
        (header(entry(at=3), 1), "not aligned"),
        (header(entry() + entry(), 2), "twice"),
        (header(entry() + entry("y"), 2), "overlaps"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (b"GGUF" + struct.pack("<I", 3), "end"),
        (
            header(values=text("general.alignment") + struct.pack("<II", 4, 0), remarks=1),
            "aligned to .0.",
        ),
    ],
)
def test_hostile_headers_are_refused_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    data = 0 if reason == "end" else 4096
    with pytest.raises(UnsupportedModel, match=reason):
        read_header(write(tmp_path, content, data))


def test_a_shape_that_the_file_claims_besides_must_hold_as_many_numbers(tmp_path: Path) -> None:
    told = struct.pack("<IIQ2i", 9, 5, 2, 3, 3)
    content = header(entry(), 1, text("comfy.gguf.orig_shape.x") + told, 1)
    with pytest.raises(UnsupportedModel, match="cannot have been"):
        read_header(write(tmp_path, content))


def test_word_lists_without_end_are_refused(tmp_path: Path) -> None:
    words = text("a") + struct.pack("<IIQ", 9, 8, MAX_WORDS) + text("") * MAX_WORDS
    content = header(values=words + words, remarks=2)
    with pytest.raises(UnsupportedModel, match="words"):
        read_header(write(tmp_path, content))
