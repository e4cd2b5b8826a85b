"""Brackets that weigh words."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.errors import TooLarge
from webui.prompts.syntax import BREAK, escape, parse_attention

BREAK_RUN = (BREAK, -1.0)


def parsed(prompt: str) -> list[tuple[str, float]]:
    return [(text, round(weight, 6)) for text, weight in parse_attention(prompt)]


@pytest.mark.parametrize(
    ("prompt", "runs"),
    [
        ("", [("", 1.0)]),
        ("plain words", [("plain words", 1.0)]),
        ("(x)", [("x", 1.1)]),
        ("((x))", [("x", 1.21)]),
        ("[x]", [("x", 0.909091)]),
        ("(x:1.3)", [("x", 1.3)]),
        ("( x : 1.3 )", [(" x ", 1.3)]),
        ("(x:-0.5)", [("x", -0.5)]),
        ("(x:+.5)", [("x", 0.5)]),
        ("((x:1.2))", [("x", 1.32)]),
        ("[(x:1.1)]", [("x", 1.0)]),
        ("[x:1.3]", [("x:1.3", 0.909091)]),
        ("a (b:1.5) c", [("a ", 1.0), ("b", 1.5), (" c", 1.0)]),
        (r"\(x\) \[y\] \\z", [(r"(x) [y] \z", 1.0)]),
        (r"\x", [("x", 1.0)]),
        (r"a\b", [("ab", 1.0)]),
        ("(unclosed", [("unclosed", 1.1)]),
        ("((unclosed", [("unclosed", 1.21)]),
        ("[unclosed", [("unclosed", 0.909091)]),
        ("stray) and ]", [("stray) and ]", 1.0)]),
        ("(x:1.2:3)", [("x:1.2", 3.0)]),
        ("(x:)", [("x:", 1.1)]),
        ("time: 10:30", [("time: 10:30", 1.0)]),
        ("x:1.5)", [("x:1.5)", 1.0)]),
        ("()", [("", 1.0)]),
        (
            "a (big (red:1.2) house:0.5)",
            [("a ", 1.0), ("big ", 0.5), ("red", 0.6), (" house", 0.5)],
        ),
    ],
)
def test_brackets_give_the_weights_of_the_older_ui(
    prompt: str, runs: list[tuple[str, float]]
) -> None:
    assert [run for run in parsed(prompt) if run[0]] == [run for run in runs if run[0]]
    assert parsed(prompt)


def test_break_eats_the_space_around_it_and_closes_the_chunk() -> None:
    assert parsed("a \n BREAK  b") == [("a", 1.0), BREAK_RUN, ("b", 1.0)]
    assert parsed("a BREAK BREAK b") == [("a", 1.0), BREAK_RUN, ("", 1.0), BREAK_RUN, ("b", 1.0)]
    assert parsed("BREAK") == [("", 1.0), BREAK_RUN, ("", 1.0)]


@pytest.mark.parametrize("prompt", ["BREAKFAST", "a BREAKb", "break", "aBREAK"])
def test_break_is_a_whole_word_in_capitals(prompt: str) -> None:
    assert parsed(prompt) == [(prompt, 1.0)]


def test_a_break_inside_a_weighted_bracket_is_only_a_word() -> None:
    assert BREAK_RUN not in parsed("(a BREAK b:1.2)")
    assert (BREAK, -1.2) in parsed("(a BREAK b:1.2)")


@pytest.mark.parametrize("weight", ["1..2", ".", "9" * 400])
def test_a_weight_that_is_no_number_is_text(weight: str) -> None:
    assert parsed(f"(x:{weight})") == [(f"x:{weight})", 1.1)]


@given(st.text())
def test_any_text_parses_and_finishes(prompt: str) -> None:
    runs = parse_attention(prompt)
    assert runs
    assert all(isinstance(text, str) and weight == weight for text, weight in runs)


@given(st.text(alphabet="()[]\\: .1aB", max_size=40))
def test_any_tangle_of_brackets_parses_and_finishes(prompt: str) -> None:
    assert parse_attention(prompt)


@given(st.text().filter(lambda text: BREAK not in text))
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    assert parse_attention(escape(text)) == [(text, 1.0)]


@given(
    st.text(alphabet="abc ,:", max_size=10),
    st.integers(-300, 300).map(lambda n: n / 100),
    st.text(alphabet="abc ,", max_size=10),
)
def test_a_weighted_bracket_gives_its_weight_to_its_words_alone(
    inside: str, weight: float, after: str
) -> None:
    runs = parse_attention(f"({inside}:{weight}){after}")
    joined = "".join(text for text, _ in runs)
    assert joined == inside + after or inside.rstrip(" ").endswith(":")
    if weight != 1 and inside and after and not inside.rstrip(" ").endswith(":"):
        assert runs == [(inside, weight), (after, 1.0)]


@given(st.lists(st.text(alphabet="ab ", min_size=1, max_size=5), min_size=1, max_size=6))
def test_neighbours_never_have_one_weight(words: list[str]) -> None:
    runs = parse_attention("".join(f"({word})" if word[0] == "a" else word for word in words))
    assert all(one[1] != two[1] for one, two in pairwise(runs))


def test_far_too_many_brackets_are_refused_before_any_work() -> None:
    for prompt in ("(" * 1_000_000, "[](" * 350_000, ")" * 1_000_000, ":" * 1_000_000):
        with pytest.raises(TooLarge):
            parse_attention(prompt)


@pytest.mark.parametrize(
    "prompt",
    [")" * 10_000, "\\" * 10_000, ":" * 10_000, " " * 100_000, "BREAK " * 16_000, "(a" * 1000],
)
def test_the_largest_prompts_still_parse(prompt: str) -> None:
    assert parse_attention(prompt)


def test_weights_stay_finite() -> None:
    ((_, weight),) = parse_attention("(" * 40 + "x" + ":999999999)" * 40)
    assert weight == 1e30
    ((_, weight),) = parse_attention("(" * 41 + "x" + ":999999999)" * 40 + ":0)")
    assert weight == 0
