"""The words that a LoRA was trained with, as trainers count them."""

import json
from pathlib import Path

import pytest

from tests.library.test_cards import put
from webui.library.training import KEY, MOST, read_tags, training_tags


def test_words_are_counted_over_all_data_sets_commonest_first(tmp_path: Path) -> None:
    table = {"10_anna": {"anna": 20, " red hair": 12, "smile": 3}, "5_more": {"smile": 12}}
    path = tmp_path / "anna.safetensors"
    put(path, "x.alpha", [1, 1], {KEY: json.dumps(table)})
    told = [(one.tag, one.count) for one in training_tags(path)]
    assert told == [("anna", 20), ("smile", 15), ("red hair", 12)]


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{", '{"a": 3}', '{"a": {"b": "many"}}', '{"a": {"": 3}}', "[" * 100_000],
)
def test_a_damaged_table_gives_nothing(text: str) -> None:
    assert read_tags(text) == ()


def test_there_are_never_too_many() -> None:
    assert len(read_tags(json.dumps({"a": {str(n): n for n in range(1, 500)}}))) == MOST
