import io
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from webui.errors import Conflict
from webui.library import errands
from webui.library.entries import TensorInfo
from webui.library.errands import workshop
from webui.library.tensorfile import TensorReader, settle, write_tensors

INFOS = {
    "a": TensorInfo("U8", (3,)),
    "b": TensorInfo("F32", (2, 2)),
    "c": TensorInfo("F16", (5,)),
    "d": TensorInfo("I64", ()),
    "e": TensorInfo("F32", (0, 4)),
}
DATA = {
    "a": np.arange(3, dtype=np.uint8),
    "b": np.arange(4, dtype=np.float32).reshape(2, 2),
    "c": np.arange(5, dtype=np.float16),
    "d": np.array(7, np.int64),
    "e": np.zeros((0, 4), np.float32),
}


def test_what_is_written_in_pieces_is_what_others_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as stream:
        size = write_tensors(stream, INFOS, {"note": "ä"}, lambda n: [DATA[n].tobytes()])
    assert size == path.stat().st_size
    found = load_file(path)
    assert all(np.array_equal(found[n], DATA[n]) and found[n].shape == DATA[n].shape for n in DATA)


def test_tensors_begin_at_multiples_of_their_elements(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as stream:
        write_tensors(stream, INFOS, {}, lambda n: [DATA[n].tobytes()])
    data = path.read_bytes()
    assert int.from_bytes(data[:8], "little") % 8 == 0
    assert data.index(DATA["b"].tobytes()) % 4 == 0
    assert data.index(DATA["c"].tobytes()) % 2 == 0


def test_a_tensor_of_another_length_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="a has 2 bytes instead of 3"):
        write_tensors(io.BytesIO(), {"a": INFOS["a"]}, {}, lambda _: [b"xy"])


def test_a_tensor_is_read_in_pieces_of_the_wanted_size(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as stream:
        write_tensors(stream, INFOS, {}, lambda n: [DATA[n].tobytes()])
    with TensorReader(path) as reader:
        assert [len(piece) for piece in reader.pieces("b", 6)] == [6, 6, 4]
        assert b"".join(reader.pieces("c", 4)) == DATA["c"].tobytes()
        assert list(reader.pieces("e")) == []


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_finished_file_never_takes_anothers_name(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    draft, target = tmp_path / "draft", tmp_path / "in" / "target"
    draft.write_bytes(b"one")
    assert settle(draft, target).read_bytes() == b"one"
    assert not draft.exists()
    draft.write_bytes(b"two")
    with pytest.raises(Conflict, match="target already"):
        settle(draft, target)
    assert target.read_bytes() == b"one"


def refuse(*_: object, **__: object) -> None:
    raise PermissionError("this file system has no links")


def test_what_a_killed_process_left_goes_when_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / ".merge-old"
    old.mkdir()
    (old / "draft").write_bytes(b"x")
    with workshop(tmp_path, ".merge-") as place:
        assert old.exists()  # perhaps somebody is at work
        assert place.parent == tmp_path
    assert not place.exists()
    monkeypatch.setattr(errands, "FORGOTTEN", -1.0)
    with workshop(tmp_path, ".merge-"):
        assert not old.exists()
