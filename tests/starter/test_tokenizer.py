"""The starter's tokenizer: known words whole, everything else by bytes."""

import re
from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPTokenizer

from webui.starter.tokenizer import (
    EXTRA_WORDS,
    build_tokenizer,
    collect_captions,
    encode_texts,
    load_tokenizer,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    build_tokenizer(folder, captions=800)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> CLIPTokenizer:
    return load_tokenizer(folder)


@pytest.mark.parametrize(
    "text", ["a red house", "zebra xylophone", "🦓 at night", "漢字 家", "żółw é", "(cat:1.2)"]
)
def test_any_text_comes_back(tokenizer: CLIPTokenizer, text: str) -> None:
    ids = tokenizer(text).input_ids
    back = tokenizer.decode(ids, skip_special_tokens=True)
    assert re.sub(r"\s", "", back) == re.sub(r"\s", "", text)
    assert tokenizer(back).input_ids == ids


def test_every_word_of_the_captions_is_one_token(tokenizer: CLIPTokenizer) -> None:
    words = {w for text in collect_captions(400) for w in re.findall(r"[a-z]+", text)}
    words.update(EXTRA_WORDS)
    assert len(words) > 200
    assert [w for w in sorted(words) if len(tokenizer(w).input_ids) != 3] == []


def test_special_tokens_are_where_clip_has_them(tokenizer: CLIPTokenizer) -> None:
    ids = tokenizer("a house").input_ids
    assert ids[0] == tokenizer.bos_token_id == len(tokenizer) - 2
    assert ids[-1] == tokenizer.eos_token_id == len(tokenizer) - 1
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert tokenizer.model_max_length == 77


def test_texts_are_always_padded_to_the_full_length(tokenizer: CLIPTokenizer) -> None:
    ids = encode_texts(tokenizer, ["", "a house at night", "tree " * 200])
    assert ids.shape == (3, 77)
    assert (ids[:, 0] == tokenizer.bos_token_id).all()
    assert (ids[:, -1] == tokenizer.eos_token_id).all()


def test_captions_fit_into_the_context(tokenizer: CLIPTokenizer) -> None:
    ids = encode_texts(tokenizer, list(collect_captions(400)))
    assert (np.argmax(ids == tokenizer.eos_token_id, 1) < 77).all()
    assert (ids[:, 76] == tokenizer.eos_token_id).all()


def test_the_same_captions_make_the_same_files(folder: Path, tmp_path: Path) -> None:
    build_tokenizer(tmp_path, captions=800)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
