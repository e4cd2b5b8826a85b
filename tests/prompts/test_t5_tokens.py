"""T5's tokens, beside those of SentencePiece itself.

t5/spiece.model is a vocabulary of 300 pieces that SentencePiece 0.2.3 trained on this repository's
README, with T5's numbers for its special words; t5/words.json is how SentencePiece reads with it.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from webui.contract.request import Emphasis, Reading
from webui.errors import Unavailable, UnsupportedModel
from webui.library.t5_vocabulary import find_t5_tokenizer, read_t5_vocabulary
from webui.prompts.t5_tokens import LONGEST, T5Tokenizer

FOLDER = Path(__file__).with_name("t5")
WORDS: dict[str, list[int]] = json.loads((FOLDER / "words.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tokenizer() -> T5Tokenizer:
    return T5Tokenizer(read_t5_vocabulary(FOLDER))


def as_json(folder: Path) -> Path:
    """The same vocabulary as a tokenizer.json, with the table inside a row of normalizers."""
    words = read_t5_vocabulary(FOLDER)
    table = base64.b64encode(words.charsmap).decode()
    normalizers: list[dict[str, Any]] = [
        {"type": "Precompiled", "precompiled_charsmap": table},
        {"type": "Strip", "strip_left": False, "strip_right": True},
    ]
    said = {
        "model": {"type": "Unigram", "unk_id": 2, "vocab": words.pieces},
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(said), encoding="utf-8")
    return folder / "tokenizer.json"


@pytest.mark.parametrize("text", list(WORDS))
def test_words_are_read_as_sentencepiece_does(tokenizer: T5Tokenizer, text: str) -> None:
    assert tokenizer.encode(text) == WORDS[text]


def test_both_kinds_of_file_say_the_same(tokenizer: T5Tokenizer, tmp_path: Path) -> None:
    words = read_t5_vocabulary(as_json(tmp_path))
    assert words.pieces == tokenizer.vocabulary.pieces
    assert words.charsmap == tokenizer.vocabulary.charsmap
    assert (words.end, words.pad, words.unknown) == (1, 0, 2)


def test_a_prompt_ends_and_is_filled_up(tokenizer: T5Tokenizer) -> None:
    chunk = tokenizer.lay_out("a photograph of a cat", 12)
    words = WORDS["a photograph of a cat"]
    assert chunk.ids == (*words, 1, *[0] * (12 - len(words) - 1))
    assert chunk.used == len(words)
    assert set(chunk.weights) == {1.0}


def test_words_have_their_weights_unless_brackets_mean_nothing(tokenizer: T5Tokenizer) -> None:
    cat, red = tokenizer.encode("cat"), tokenizer.encode("red")
    chunk = tokenizer.lay_out("(cat:1.5) BREAK red", 16)
    assert chunk.ids[: chunk.used] == (*cat, *red)
    assert chunk.weights[: chunk.used] == (*[1.5] * len(cat), *[1.0] * len(red))
    literal = tokenizer.lay_out("(cat:1.5)", 16, Reading(emphasis=Emphasis.NONE))
    assert list(literal.ids[: literal.used]) == tokenizer.encode("(cat:1.5)")
    assert set(tokenizer.lay_out("(cat:1.5)", 16, Reading(emphasis=Emphasis.IGNORE)).weights) == {1}


def test_long_prompts_grow_up_to_what_networks_know(tokenizer: T5Tokenizer) -> None:
    grown = tokenizer.lay_out("cat " * 30, 16)
    assert len(grown.ids) == grown.used + 1 > 16
    cut = tokenizer.lay_out("cat " * 2000, 16)
    assert len(cut.ids) == LONGEST
    assert cut.ids[-1] == 1


def test_the_users_copy_is_found_and_others_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    clip = tmp_path / "clip"
    clip.mkdir()
    (clip / "tokenizer.json").write_text('{"model": {"type": "BPE"}}', encoding="utf-8")
    with pytest.raises(Unavailable, match=r"spiece\.model"):
        find_t5_tokenizer([clip, tmp_path / "missing"])
    own = as_json(tmp_path / "models" / "t5")
    assert find_t5_tokenizer([clip, tmp_path / "models"]) == own
    name = "models--black-forest-labs--FLUX.1-dev"
    cached = as_json(tmp_path / "cache" / "hub" / name / "snapshots" / "0a1b" / "tokenizer_2")
    assert find_t5_tokenizer([clip]) == cached


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x03\x0a\x01a"]
)
def test_a_damaged_vocabulary_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "spiece.model"
    path.write_bytes(data)
    with pytest.raises(UnsupportedModel, match="damaged"):
        read_t5_vocabulary(path)
