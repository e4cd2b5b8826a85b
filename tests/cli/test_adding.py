"""`webui models add` against a site of our own."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from tests.library.download.serving import Site, serve, whole
from webui import cli

EMBEDDING = save({"emb_params": torch.zeros(2, 768)})


def call(tmp_path: Path, site: Site, *words: str) -> int:
    folders = ("--models-dir", str(tmp_path / "models"), "--data-dir", str(tmp_path / "data"))
    hosts = ("--set", f'downloads.private_hosts=["{site.host}"]')
    return cli.main(["models", "add", *words, *folders, *hosts])


def test_a_model_is_shown_first_and_fetched_after_a_yes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with serve() as site:
        site.answers["/words.safetensors"] = whole(EMBEDDING)
        address = f"{site.base}/words.safetensors"
        assert call(tmp_path, site, address) == 1
        told = capsys.readouterr().err
        assert "words.safetensors" in told
        assert "licence: not told" in told
        assert "free space" in told
        assert "--yes" in told
        assert call(tmp_path, site, address, "--yes", "--quiet") == 0
        assert "embeddings/words.safetensors is here" in capsys.readouterr().out
        assert call(tmp_path, site, address, "--yes", "--file", "other.gguf") == 1
        assert "Choose one" in capsys.readouterr().err
        assert call(tmp_path, site) == 0
    assert (tmp_path / "models" / "embeddings" / "words.safetensors").read_bytes() == EMBEDDING
