import io
import pickle
import struct
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.library.conversion.payloads import as_stream, as_zip, text
from webui.errors import Conflict, UnsupportedModel
from webui.library.conversion import process
from webui.library.conversion.archives import open_archive
from webui.library.conversion.process import convert_model, pickled_files
from webui.library.conversion.selection import select_weights
from webui.library.headers import read_header

FLAT = nn.Parameter(torch.arange(6.0).reshape(2, 3))
WEIGHTS = OrderedDict(
    {
        "whole": torch.arange(12.0).reshape(3, 4),
        "half": torch.linspace(-1, 1, 7).half(),
        "brain": torch.linspace(-1, 1, 7).bfloat16(),
        "turned": torch.arange(30).reshape(5, 6).t(),
        "middle": torch.arange(10.0)[3:7],
        "columns": torch.arange(24.0).reshape(4, 6)[:, ::2],
        "spread": torch.ones(1, 1).expand(3, 2),
        "parameter": FLAT,
        "same again": FLAT,
        "empty": torch.zeros(0, 4),
        "number": torch.tensor(3.5),
        "truth": torch.tensor([True, False]),
        "bytes": torch.arange(4, dtype=torch.uint8),
    }
)
NEW = {"eighth": torch.linspace(-2, 2, 5).to(torch.float8_e4m3fn)}
"""What only the zip of today can hold."""


def save(path: Path, content: Any, older: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path, _use_new_zipfile_serialization=not older)
    return path


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(
        found[name].dtype == tensor.dtype and torch.equal(found[name].float(), tensor.float())
        for name, tensor in wanted.items()
    )


@pytest.mark.parametrize("older", [False, True], ids=["zip", "older stream"])
def test_every_tensor_arrives_bit_for_bit(older: bool, tmp_path: Path) -> None:
    weights = WEIGHTS if older else {**WEIGHTS, **NEW}
    content = {"state_dict": weights, "global_step": 7, "optimizer_states": [{"a": torch.ones(3)}]}
    source = save(tmp_path / "model.ckpt", content, older)
    converted = convert_model(source, tmp_path)
    assert converted.path == tmp_path / "model.safetensors"
    assert same(load_file(converted.path), dict(weights))
    assert '"global_step": "7"' in read_header(converted.path).metadata["converted_notes"]
    assert source.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.ckpt", "model.safetensors"]


def selected(content: Any) -> set[str]:
    stream = io.BytesIO()
    torch.save(content, stream)
    stream.seek(0)
    return set(select_weights(open_archive(stream).content)[0])


def test_the_weights_are_found_in_what_tools_wrap_around_them() -> None:
    one = torch.ones(2, 768)
    word = {"string_to_token": {"*": 265}, "string_to_param": {"*": one}, "name": "cat", "step": 5}
    old_word = {**word, "string_to_param": nn.ParameterDict({"*": nn.Parameter(one)})}
    network = ({"linear.0.weight": one}, {"linear.0.weight": one})
    assert selected(word) == {"emb_params"}
    assert selected(old_word) == {"emb_params"}
    assert selected({"<cat>": one[0]}) == {"<cat>"}
    assert selected({"params": {"a": one}, "params_ema": {"b": one}}) == {"b"}
    assert selected({"image_proj": {"x": one}, "ip_adapter": {"1.y": one}}) == {
        "image_proj.x",
        "ip_adapter.1.y",
    }
    assert selected({768: network, "step": 3}) == {"768.0.linear.0.weight", "768.1.linear.0.weight"}
    assert selected(nn.Linear(1, 1).state_dict()) == {"weight", "bias"}


def test_what_a_trainer_mentions_is_carried_along_unread() -> None:
    import argparse

    content = {
        "state_dict": {"a": torch.ones(1)},
        "hyper_parameters": argparse.Namespace(rate=0.1),
        "where": Path("/tmp"),
        "kind": torch.float16,
        "device": torch.device("cpu"),
    }
    assert selected(content) == {"a"}


def test_a_file_outside_the_models_folder_goes_to_the_folder_of_its_kind(tmp_path: Path) -> None:
    models = tmp_path / "ours"
    word = save(tmp_path / "theirs" / "cat.pt", {"string_to_param": {"*": torch.ones(2, 768)}})
    assert convert_model(word, models).path == models / "embeddings" / "cat.safetensors"
    assert [p.name for p in word.parent.iterdir()] == ["cat.pt"]


def test_a_pickle_under_a_false_name_is_converted_beside_it(tmp_path: Path) -> None:
    source = save(tmp_path / "model.safetensors", {"a": torch.ones(1)})
    assert convert_model(source, tmp_path).path.name == "model-converted.safetensors"


def test_no_file_is_ever_replaced(tmp_path: Path) -> None:
    source = save(tmp_path / "model.ckpt", {"a": torch.ones(1)})
    (tmp_path / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(Conflict, match=r"model\.safetensors already"):
        convert_model(source, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == b"mine"


def test_what_needs_conversion_is_listed(tmp_path: Path) -> None:
    for name in (
        "a.ckpt",
        "b.vae.pt",
        "sub/c.PTH",
        "d.bin",
        "done.pt",
        "done.safetensors",
        "e.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    names = [path.relative_to(tmp_path).as_posix() for path in pickled_files([tmp_path, tmp_path])]
    assert names == ["a.ckpt", "b.vae.pt", "d.bin", "sub/c.PTH"]


def test_a_conversion_can_be_stopped(tmp_path: Path) -> None:
    source = save(tmp_path / "model.ckpt", {"a": torch.ones(1)})
    stop = threading.Event()
    stop.set()
    with pytest.raises(Conflict, match="stopped"):
        convert_model(source, tmp_path, stop=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["model.ckpt"]


def test_a_conversion_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LEAST_SECONDS", 0)
    source = save(tmp_path / "model.ckpt", {"a": torch.ones(1)})
    with pytest.raises(Conflict, match="too long"):
        convert_model(source, tmp_path)


def long_claim(size: int) -> bytes:
    return b"\x80\x04\x8e" + struct.pack("<Q", size) + b"x"


def doublings() -> bytes:
    """A list that holds the one before it twice, forty times over."""
    stream = b"\x80\x02]"
    for number in range(40):
        stream += b"q%c0](h%ch%ce" % (number, number, number)
    return stream + b"."


PAIRS = b")" + b"2\x86" * 60
"""A tuple that holds the one before it twice, sixty times over: its text and hash never end."""
FALSE = {
    "a hash without end": b"\x80\x02}" + PAIRS + b"K\x01s.",
    "a name without end": b"\x80\x04" + PAIRS + text("x") + b"\x93.",
    "a text without end": b"\x80\x02c_codecs\nencode\n" + PAIRS + b"\x85R.",
    "keys without end": b"\x80\x02ccollections\nOrderedDict\n]" + PAIRS + b"K\x01\x86a\x85R.",
    "a length that fills the memory": long_claim(1 << 60),
    "lists in lists": b"\x80\x02" + b"]" * 20_000 + b"a" * 19_999 + b".",
    "a list of doublings": doublings(),
    "a key that cannot be one": b"\x80\x02}]K\x01s.",
    "nothing on the stack": b"\x80\x02R.",
    "no mark": b"\x80\x02K\x01t.",
    "what was never seen": b"\x80\x02h\x05.",
    "no end": b"\x80\x02]",
    "an unknown opcode": b"\x80\x02\xff.",
    "a storage of a string": b"\x80\x02" + text("storage") + b"Q.",
    "no tensors": pickle.dumps({"a": 1}, 2),
    "only a number": pickle.dumps(5, 2),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_broken_or_hostile_stream_costs_a_sentence(name: str, tmp_path: Path) -> None:
    for number, wrap in enumerate((as_zip, as_stream)):
        source = tmp_path / f"{number}.ckpt"
        source.write_bytes(wrap(FALSE[name]))
        with pytest.raises(UnsupportedModel):
            convert_model(source, tmp_path)


def test_a_tensor_cannot_reach_beyond_its_numbers(tmp_path: Path) -> None:
    source = save(tmp_path / "model.ckpt", {"a": torch.ones(4)}, older=True)
    data = source.read_bytes()
    source.write_bytes(data.replace(b"K\x04\x85", b"K\x09\x85"))
    with pytest.raises(UnsupportedModel, match="beyond its numbers"):
        convert_model(source, tmp_path)


def test_tensors_that_share_numbers_cannot_fill_the_disk(tmp_path: Path) -> None:
    wide = torch.ones(1).expand(1 << 40)
    source = save(tmp_path / "model.ckpt", {"a": wide})
    with pytest.raises(UnsupportedModel, match="would take"):
        convert_model(source, tmp_path)
