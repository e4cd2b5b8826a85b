"""Reading the vocabularies of tokenizers."""

import json
from pathlib import Path

import pytest

from tests import tiny
from webui.errors import Unavailable, UnsupportedModel
from webui.library import vocabularies
from webui.library.vocabularies import byte_letters, read_clip_vocabulary, read_vocabulary


def test_clip_has_its_49408_words_where_they_belong() -> None:
    words = read_clip_vocabulary()
    assert len(words) == 49408
    assert (words.start, words.end, words.pad) == (49406, 49407, 49407)
    assert sorted(words.tokens.values()) == list(range(49408))
    # Ids that every user of CLIP knows.
    assert words.tokens[",</w>"] == 267
    assert words.tokens["cat</w>"] == 2368
    assert words.merges[0] == ("i", "n")


def test_clip_g_pads_with_an_exclamation_mark() -> None:
    assert read_clip_vocabulary(pad="!").pad == 0


def test_a_missing_vocabulary_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabularies, "CLIP_PACKAGES", (("no-such-package", "x.gz"),))
    with pytest.raises(Unavailable, match="pip install openai-clip"):
        read_clip_vocabulary()


def test_a_folder_with_two_files_and_one_with_tokenizer_json_say_the_same(tmp_path: Path) -> None:
    two, one = tmp_path / "two", tmp_path / "one"
    size = tiny.write_tokenizer(two)
    words = read_vocabulary(two)
    one.mkdir()
    merges = [list(pair) for pair in words.merges]
    model = {"type": "BPE", "vocab": dict(words.tokens), "merges": merges}
    (one / "tokenizer.json").write_text(json.dumps({"model": model}), encoding="utf-8")
    special = {"bos_token": {"content": "<|startoftext|>"}, "pad_token": "!"}
    (one / "tokenizer_config.json").write_text(json.dumps(special), encoding="utf-8")
    same = read_vocabulary(one)
    assert (same.tokens, same.merges) == (words.tokens, words.merges)
    assert len(words) == size
    assert (words.start, words.end, words.pad) == (size - 2, size - 1, size - 1)
    assert (same.start, same.end, same.pad) == (size - 2, size - 1, 0)


@pytest.mark.parametrize("content", [None, "{}", "[]", "{", '{"model": {"vocab": {"a": 0}}}'])
def test_a_tokenizer_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "mymodel" / "tokenizer"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(UnsupportedModel, match="mymodel/tokenizer"):
        read_vocabulary(folder)


def test_every_byte_has_a_letter_of_its_own() -> None:
    letters = byte_letters()
    assert sorted(letters) == list(range(256))
    assert len(set(letters.values())) == 256
    assert all(letter.isprintable() and not letter.isspace() for letter in letters.values())
