"""How a prompt was read, for people."""

import subprocess
import sys

import pytest
from hypothesis import given, settings

from tests.prompts.strategies import PROMPTS, TANGLES
from webui.contract.request import Emphasis, Reading
from webui.contract.vocabulary import SECOND_ORDER
from webui.errors import TooLarge
from webui.library.vocabularies import read_clip_vocabulary
from webui.prompts.explanation import Asked, Explanation, explain, longest
from webui.prompts.tokens import PromptTokenizer


@pytest.fixture(scope="module")
def clip() -> PromptTokenizer:
    return PromptTokenizer(read_clip_vocabulary())


def schedule(explanation: Explanation, part: int = 0, second: bool = False) -> list[tuple]:
    spoken = (explanation.hires if second else explanation.parts)[part]
    return [(s.first, s.last, spoken.texts[s.text].text) for s in spoken.schedule]


def notices(clip: PromptTokenizer, prompt: str, **asked) -> str:
    return " ".join(explain(clip, Asked(prompt=prompt, **asked)).notices)


def test_tokens_are_told_with_their_weights(clip: PromptTokenizer) -> None:
    told = explain(clip, Asked(prompt="a (red:1.4) cat"))
    (part,) = told.parts
    (text,) = part.texts
    (chunk,) = text.chunks
    assert [(token.text, token.weight) for token in chunk.tokens] == [
        ("a ", 1.0), ("red ", 1.4), ("cat ", 1.0),
    ]  # fmt: skip
    assert (told.used, told.room) == (3, 75)
    assert told.notices == ()
    assert schedule(told) == [(1, 20, "a (red:1.4) cat")]


def test_a_stretch_is_told_by_the_steps_that_it_really_serves(clip: PromptTokenizer) -> None:
    told = explain(clip, Asked(prompt="[cat:dog:0.5]", steps=10))
    assert schedule(told) == [(1, 6, "cat"), (7, 10, "dog")]
    assert told.unit == "step"


def test_an_alternation_repeats_its_texts(clip: PromptTokenizer) -> None:
    told = explain(clip, Asked(prompt="[cat|dog]", steps=5))
    assert len(told.parts[0].texts) == 2
    assert schedule(told) == [(1, 2, "cat"), (3, 3, "dog"), (4, 4, "cat"), (5, 5, "dog")]


def test_a_sampler_of_second_order_counts_calls(clip: PromptTokenizer) -> None:
    told = explain(clip, Asked(prompt="[cat:dog:0.5]", steps=10, sampler="heun"))
    assert schedule(told) == [(1, 11, "cat"), (12, 20, "dog")]
    assert told.unit == "call"


def test_the_hires_pass_is_told_apart(clip: PromptTokenizer) -> None:
    told = explain(clip, Asked(prompt="[cat:dog:1.5]", steps=10, hires_steps=4))
    assert schedule(told) == [(1, 10, "cat")]
    assert schedule(told, second=True) == [(1, 3, "cat"), (4, 4, "dog")]
    assert explain(clip, Asked(prompt="cat")).hires == ()


def test_parts_and_networks_are_told(clip: PromptTokenizer) -> None:
    told = explain(clip, Asked(prompt="a cat :1.2 AND a dog <lora:ink:0.5>"))
    assert [(part.text.strip(), part.weight) for part in told.parts] == [
        ("a cat", 1.2), ("a dog", 1.0),
    ]  # fmt: skip
    (network,) = told.networks
    assert (network.kind, network.name, network.te) == ("lora", "ink", 0.5)


def test_the_counter_shows_the_longest_text(clip: PromptTokenizer) -> None:
    prompt = "cat AND [a dog:a big red dog:0.5] <lora:ink:1> # nothing"
    told = explain(clip, Asked(prompt=prompt))
    assert (told.used, told.room) == (4, 75)
    assert longest(clip, Asked(prompt=prompt)) == (4, 75)


@pytest.mark.parametrize(
    ("prompt", "asked", "word"),
    [
        ("time 10:30", {}, "30"),
        ("[cat:dog:0.5] a|b", {}, "bar"),
        ("[cat:dog:0.5] \\", {}, "backslash"),
        ("(a BREAK b:1.2)", {}, "BREAK"),
        ("a <lora:x>", {"negative": True}, "<lora:x>"),
        ("a AND b", {"negative": True}, "AND"),
        ("<lora:x:much>", {}, "number"),
        ("cat " * 80, {"reading": Reading(old_emphasis=True)}, "5 tokens"),
        ("[cat:dog:50]", {"steps": 20}, "never"),
        ("[cat:dog:1.0]", {"steps": 20}, "never"),
        ("[cat:dog:19]", {"steps": 20}, "never"),
    ],
)
def test_what_is_likely_not_meant_is_said(
    clip: PromptTokenizer, prompt: str, asked: dict, word: str
) -> None:
    assert word in notices(clip, prompt, **asked)


@pytest.mark.parametrize(
    "prompt", ["a cat", "[a|b] (c:1.2) BREAK d", "[a:b:0.5]", "a AND b :2", "[a:b:18] [c:0]"]
)
def test_of_an_ordinary_prompt_there_is_nothing_to_say(clip: PromptTokenizer, prompt: str) -> None:
    assert notices(clip, prompt) == ""


def test_the_reading_of_the_request_is_used(clip: PromptTokenizer) -> None:
    literal = explain(clip, Asked(prompt="(cat)", reading=Reading(emphasis=Emphasis.NONE)))
    assert [token.text.strip() for token in literal.parts[0].texts[0].chunks[0].tokens] == [
        "(", "cat", ")",
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(PROMPTS | TANGLES)
def test_any_prompt_can_be_explained_and_travels_as_json(
    clip: PromptTokenizer, prompt: str
) -> None:
    asked = Asked(prompt=prompt, steps=4, hires_steps=3)
    told = explain(clip, asked)
    assert Explanation.model_validate_json(told.model_dump_json()) == told
    assert (told.used, told.room) == longest(clip, asked)
    for part in (*told.parts, *told.hires):
        assert part.schedule[0].first == 1
        assert all(text.chunks for text in part.texts)


def test_what_would_fill_a_book_is_refused(clip: PromptTokenizer) -> None:
    options = "|".join("ab"[i % 2] * i for i in range(200))
    with pytest.raises(TooLarge):
        explain(clip, Asked(prompt=f"[{options}]" + "cat " * 10_000, steps=150))


def test_the_server_knows_which_samplers_call_twice() -> None:
    from webui.diffusion.samplers import builtin_samplers

    assert {one.name for one in builtin_samplers() if one.second_order} == SECOND_ORDER


def test_explaining_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from webui.prompts import explanation\n"
        "assert not {'torch', 'transformers', 'diffusers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
