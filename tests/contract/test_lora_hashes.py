"""LoRA files of an infotext are found by their hashes, whatever they are called here."""

from webui.contract.events import Word
from webui.contract.infotext import read

HERE = (
    Word(id="ink v2", label="ink v2", aliases=("InkWash", "0123456789ab")),
    Word(id="other", label="other", aliases=("ffffffffffff",)),
)


def restored(prompt: str, hashes: str) -> tuple[str, tuple[str, ...]]:
    text = f'{prompt}\nSteps: 5, Sampler: Euler, Lora hashes: "{hashes}", Version: v1.10.1'
    result = read(text, {"loras": HERE})
    return result.request.prompt.positive, tuple(n for n in result.notices if "ora" in n)


def test_a_tag_is_renamed_to_the_file_with_its_hash() -> None:
    prompt, notices = restored("a <lora:ink:0.5:1> b", "ink: 0123456789AB")
    assert prompt == "a <lora:ink v2:0.5:1> b"
    assert notices == ()


def test_names_that_find_the_file_stay_as_they_are() -> None:
    prompt, notices = restored("<lora:inkwash:1><lyco:other>", "inkwash: 0123456789ab")
    assert prompt == "<lora:inkwash:1><lyco:other>"
    assert notices == ()


def test_the_hash_wins_over_another_file_of_that_name() -> None:
    assert restored("<lora:other:1>", "other: 0123456789ab")[0] == "<lora:ink v2:1>"


def test_a_file_that_is_not_here_is_said() -> None:
    prompt, notices = restored("<lora:gone:1>, <lora:gone:2>", "gone: abcabcabcabc")
    assert prompt == "<lora:gone:1>, <lora:gone:2>"
    assert notices == ("Lora not found here: gone",)
