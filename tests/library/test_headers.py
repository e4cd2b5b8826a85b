"""Reading the header of model files."""

import json
import struct
from pathlib import Path

import pytest

from webui.errors import StorageError, UnsupportedModel
from webui.library.headers import TensorInfo, read_header


def write(path: Path, header: object, data: bytes = b"") -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}


def test_names_shapes_and_metadata_are_read(tmp_path: Path) -> None:
    content = {"__metadata__": {"a": "b"}, "x.w": entry([2, 3], 0, 12), "y.w": entry([], 12, 14)}
    header = read_header(write(tmp_path / "a.safetensors", content, bytes(14)))
    assert header.tensors == {"x.w": TensorInfo("F16", (2, 3)), "y.w": TensorInfo("F16", ())}
    assert header.tensors["x.w"].numel == 6
    assert header.metadata == {"a": "b"}
    assert header.shape("z") is None
    assert list(header.names("x.")) == ["x.w"]
    assert header.has("y") and not header.has("w")
    assert header.marked({"a": "c"}).metadata == {"a": "c"}


def test_a_download_that_stopped_early_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "short.safetensors", {"x": entry([8], 0, 16)}, bytes(9))
    with pytest.raises(UnsupportedModel, match="cut short"):
        read_header(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a zip, as torch.save writes it",
        b"\x80\x02}q\x00.",
        struct.pack("<Q", 4) + b"{no}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 7) + b'{"x":1}',
        struct.pack("<Q", 2**62) + b"{}",
    ],
)
def test_other_files_are_refused_with_a_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(content)
    with pytest.raises(UnsupportedModel, match=r"model\.ckpt is not a safetensors file"):
        read_header(path)


def test_a_file_that_is_gone_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        read_header(tmp_path / "gone.safetensors")
