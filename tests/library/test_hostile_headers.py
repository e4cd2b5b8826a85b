"""Headers made to do harm are refused with a sentence, before they cost memory or time."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from webui.errors import UnsupportedModel
from webui.library.entries import MAX_TENSORS
from webui.library.headers import MAX_HEADER, TensorInfo, read_header

Write = Callable[[bytes, int], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: bytes, data: int = 0) -> Path:
        path = tmp_path / "model.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(data))
        return path

    return written


def entry(start: int, stop: int, shape: str = "[2]", dtype: str = "F16") -> str:
    return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{stop}]}}'


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**62])
def test_a_length_beyond_the_file_is_no_header(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(UnsupportedModel, match="is not a safetensors file"):
        read_header(path)


def test_a_header_of_a_hundred_megabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", 100_000_000))
        stream.truncate(100_000_100)
    with pytest.raises(UnsupportedModel, match="its header has 100000000 bytes"):
        read_header(path)


def test_more_tensors_than_any_model_has_are_refused(write: Write) -> None:
    empty = entry(0, 0, "[0]")
    text = ",".join(f'"{index}":{empty}' for index in range(MAX_TENSORS + 1))
    with pytest.raises(UnsupportedModel, match="tensors"):
        read_header(write(f"{{{text}}}".encode(), 0))


@pytest.mark.parametrize("piece", [b"0,", b"[],", b'"a",', b"{},"])
def test_values_without_end_are_refused_unread(write: Write, piece: bytes) -> None:
    text = b'{"a":[' + piece * ((MAX_HEADER - 100) // len(piece)) + b"0]}"
    with pytest.raises(UnsupportedModel, match="values, more than"):
        read_header(write(text, 0))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"a": entry(0, 4), "b": entry(2, 6)}, "'b' overlaps another tensor"),
        ({"a": entry(0, 4), "b": entry(0, 4)}, "'b' overlaps another tensor"),
        ({"a": entry(0, 4), "b": entry(8, 12)}, "no tensor fills the bytes 4 to 8"),
        ({"a": entry(4, 8)}, "no tensor fills the bytes 0 to 4"),
        ({"a": entry(0, 8)}, "'a' has 8 bytes, but its shape asks for 4"),
        ({"a": entry(8, 4)}, "'a' has -4 bytes"),
        ({"a": entry(0, 4, "[-2]")}, "impossible shape"),
        ({"a": entry(0, 4, "[2.0]")}, "impossible shape"),
        ({"a": entry(0, 4, "[true,2]")}, "impossible shape"),
        ({"a": entry(0, 4, "[1e99]")}, "impossible shape"),
        ({"a": entry(0, 4, str([1] * 20))}, "impossible shape"),
        ({"a": entry(0, 4, str([2**62] * 4))}, "its shape asks for"),
        ({"a": entry(0, 4, dtype="F17")}, "unknown kind 'F17'"),
    ],
)
def test_tensors_that_cannot_lie_so_are_refused(
    write: Write, names: dict[str, str], words: str
) -> None:
    text = "{" + ",".join(f'"{name}":{told}' for name, told in names.items()) + "}"
    with pytest.raises(UnsupportedModel, match=r"model\.safetensors is damaged") as caught:
        read_header(write(text.encode(), 12))
    assert words in caught.value.sentence


def test_a_tensor_outside_the_file_means_that_it_is_cut_short(write: Write) -> None:
    with pytest.raises(UnsupportedModel, match="cut short"):
        read_header(write(f'{{"a":{entry(0, 2_000_000_000, "[1000000000]")}}}'.encode(), 4))


def test_bytes_behind_the_last_tensor_are_refused(write: Write) -> None:
    with pytest.raises(UnsupportedModel, match="3 bytes follow its last tensor"):
        read_header(write(f'{{"a":{entry(0, 4)}}}'.encode(), 7))


@pytest.mark.parametrize(
    "text",
    [
        f'{{"a":{entry(0, 4)},"a":{entry(4, 8)}}}',
        f'{{"a":{entry(0, 4)},"\\u0061":{entry(0, 4)}}}',
        f'{{"__metadata__":{{"x":"1","x":"2"}},"a":{entry(0, 4)}}}',
        '{"a":{"dtype":"F16","shape":[2],"shape":[4],"data_offsets":[0,8]}}',
    ],
)
def test_a_name_that_stands_twice_is_refused(write: Write, text: str) -> None:
    with pytest.raises(UnsupportedModel, match="twice"):
        read_header(write(text.encode(), 8))


def test_text_that_is_not_utf8_is_refused(write: Write) -> None:
    with pytest.raises(UnsupportedModel, match="is not UTF-8 text"):
        read_header(write(b'{"\xff\xfe":' + entry(0, 4).encode() + b"}", 4))


@pytest.mark.parametrize("depth", [100, 300, 1000, 1_000_000])
def test_deep_nesting_ends_in_a_sentence(write: Write, depth: int) -> None:
    text = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    with pytest.raises(UnsupportedModel):
        read_header(write(text, 0))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1}',
        '{"a":{}}',
        '{"a":{"dtype":"F16","shape":[2],"data_offsets":[0]}}',
        '{"a":{"dtype":"F16","shape":[2],"data_offsets":"04"}}',
        '{"a":{"dtype":[],"shape":[{}],"data_offsets":[0,4]}}',
        '{"__metadata__":[1]}',
        '{"a":NaN}',
        '{"a":' + "9" * 5000 + "}",
    ],
)
def test_other_json_is_no_header(write: Write, text: str) -> None:
    with pytest.raises(UnsupportedModel, match="is not a safetensors file"):
        read_header(write(text.encode(), 4))


def test_good_headers_of_every_writer_are_read(write: Write) -> None:
    """Any order, blanks, escaped letters, padding, an empty tensor between two others."""
    told = {
        "__metadata__": {"über": 'a "word"'},
        "b": json.loads(entry(4, 8)),
        "none": json.loads(entry(4, 4, "[0, 3]")),
        "a": json.loads(entry(0, 4)),
    }
    for text in (json.dumps(told), json.dumps(told, indent=1), json.dumps(told) + "    "):
        header = read_header(write(text.encode(), 8))
        assert header.tensors["none"] == TensorInfo("F16", (0, 3))
        assert list(header.tensors) == ["b", "none", "a"]
        assert header.metadata == {"über": 'a "word"'}


def test_four_bit_numbers_share_bytes(write: Write) -> None:
    assert read_header(write(f'{{"a":{entry(0, 3, "[5]", "F4")}}}'.encode(), 3)).has("a")
