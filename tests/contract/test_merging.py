import pytest
from pydantic import ValidationError

from webui.contract.merging import MergeRequest, is_file_name, parse_blocks


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, "primary"),
        ({"primary": ""}, "Choose the primary model"),
        ({"primary": "a"}, "Choose the secondary model"),
        ({"primary": "a", "secondary": "b", "method": "add_difference"}, "tertiary"),
        ({"primary": "a", "method": "none", "blocks": [1, 2, 3]}, "3 block weights"),
        ({"primary": "a", "method": "none", "discard": "("}, "pattern"),
        ({"primary": "a", "method": "none", "name": "../b"}, "name of a file"),
    ],
)
def test_a_merge_that_cannot_be_is_refused_with_a_sentence(asked: dict, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        MergeRequest(**asked)


@pytest.mark.parametrize("name", ["0.7(a) + 0.3(b)", "моя модель", "a.inpainting", "con-fusion"])
def test_a_name_that_every_system_takes_is_taken(name: str) -> None:
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x", "a/b", "a\\b", "C:x", "NUL", "con.model", "x.", "x ", " x", ".x", "a\0b",
     "a\nb", "a" * 200, "a?b", "LPT1"],
)  # fmt: skip
def test_a_name_that_some_system_takes_for_more_is_refused(name: str) -> None:
    assert not is_file_name(name)


def test_block_weights_are_read_from_text() -> None:
    assert parse_blocks("0.5, 1 0\n.25,") == (0.5, 1.0, 0.0, 0.25)
    with pytest.raises(ValueError, match="x"):
        parse_blocks("0.5, x")
