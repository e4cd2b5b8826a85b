"""The command line lists models of every kind and computes their hashes."""

import hashlib
import json
from pathlib import Path

import pytest

from webui.cli import main


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    header = {"emb_params": {"dtype": "U8", "shape": [1, 768], "data_offsets": [0, 768]}}
    text = json.dumps(header).encode()
    (tmp_path / "older" / "embeddings").mkdir(parents=True)
    path = tmp_path / "older" / "embeddings" / "word.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(768))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "broken.safetensors").write_bytes(b"?")
    return [
        *("--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "models")),
        *("--a1111-home", str(tmp_path / "older")),
    ]


def test_an_older_installation_s_models_are_listed(
    folders: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list", "embedding", "--json", *folders]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(m["name"], m["family"]) for m in listed] == [("word.safetensors", "sd1")]


def test_a_hash_once_computed_names_the_model(
    folders: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "hash", "word", *folders]) == 0
    assert hashlib.sha256(bytes(768)).hexdigest()[:12] in capsys.readouterr().out
    assert main(["models", "hash", hashlib.sha256(bytes(768)).hexdigest()[:12], *folders]) == 0
    assert main(["models", "hash", "nothing", *folders]) == 1


def test_a_scan_counts_and_names_what_was_refused(
    folders: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "scan", *folders]) == 0
    told = capsys.readouterr().out
    assert "1  embedding" in told
    assert "broken.safetensors is not a safetensors file" in told
