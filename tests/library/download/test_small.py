"""A tokenizer that no model file holds is fetched when it is first needed, once."""

import hashlib
from pathlib import Path

import pytest

from tests.library.download.serving import serve, status, whole
from webui.contract.worker import EngineConfig
from webui.errors import Unavailable
from webui.library.download.client import Sites
from webui.library.download.small import T5, fetch_t5_tokenizer, tokenizer_source
from webui.library.t5_vocabulary import find_t5_tokenizer, read_t5_vocabulary

SPIECE = Path(__file__).parents[2] / "prompts" / "t5" / "spiece.model"


def test_it_is_fetched_once_checked_and_found_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "nothing"))
    body = SPIECE.read_bytes()
    wanted = T5.model_copy(update={"size": len(body), "sha256": hashlib.sha256(body).hexdigest()})
    with serve() as site:
        site.answers[f"/{T5.url}"] = whole(body)
        sites = Sites(hub=site.base, private_hosts=(site.host,), data_dir=tmp_path)
        path = fetch_t5_tokenizer(tmp_path, sites, wanted)
        assert len(read_t5_vocabulary(path)) > 0
        assert fetch_t5_tokenizer(tmp_path, sites, wanted) == path
        assert len(site.asked) == 1
    assert find_t5_tokenizer([tmp_path / "text_encoder"]) == path


def test_without_a_connection_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    with serve() as site:
        site.answers[f"/{T5.url}"] = whole(SPIECE.read_bytes())  # not the published one
        sites = Sites(hub=site.base, private_hosts=(site.host,), data_dir=tmp_path)
        with pytest.raises(Unavailable, match=r"spiece\.model of google/t5"):
            fetch_t5_tokenizer(tmp_path, sites)
        site.answers[f"/{T5.url}"] = status(404)
        with pytest.raises(Unavailable, match="could not be fetched"):
            fetch_t5_tokenizer(tmp_path, sites)
    with pytest.raises(Unavailable, match="could not be fetched"):
        fetch_t5_tokenizer(tmp_path, sites)  # nobody listens any more
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_nothing_is_fetched_where_the_settings_forbid_it(tmp_path: Path) -> None:
    assert tokenizer_source(EngineConfig(tmp_path, tmp_path)) is None
    assert tokenizer_source(EngineConfig(tmp_path, tmp_path, hub="https://example.org")) is not None
