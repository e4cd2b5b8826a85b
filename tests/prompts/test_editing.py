"""Edits and alternations: the tree, and what a prompt says over the calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.prompts.strategies import PROMPTS, TANGLES
from webui.errors import TooLarge
from webui.prompts.syntax import Alternation, Edit, Span, parse, schedule, source

FIVE = Span(5)


def said(prompt: str, span: Span = FIVE) -> list[tuple[int, str]]:
    """The stretches with equal neighbours joined."""
    joined: list[tuple[int, str]] = []
    for end, text in schedule(prompt, span):
        if joined and joined[-1][1] == text:
            joined.pop()
        joined.append((end, text))
    return joined


def test_the_tree_of_a_prompt() -> None:
    assert parse("a [b:c:3] d") == ("a ", Edit(("b",), ("c",), "3"), " d")
    assert parse("[b:3]") == (Edit(None, ("b",), "3"),)
    assert parse("[:b:3]") == (Edit((), ("b",), "3"),)
    assert parse("[b::3]") == (Edit(("b",), (), "3"),)
    assert parse("[a||b]") == (Alternation((("a",), (), ("b",))),)
    assert parse("[a:[b|c]: 0.5 ]") == (Edit(("a",), (Alternation((("b",), ("c",))),), " 0.5 "),)
    assert parse("") == ()


@pytest.mark.parametrize(
    ("prompt", "stretches"),
    [
        ("[a:b:3]", [(3, "a"), (5, "b")]),
        ("[a:3]", [(3, ""), (5, "a")]),
        ("[a::3]", [(3, "a"), (5, "")]),
        ("x [a:b:0.5] y", [(2, "x a y"), (5, "x b y")]),
        ("[a:b : 3 ]", [(3, "a"), (5, "b ")]),
        ("[a:\nb:3\n]", [(3, "a"), (5, "\nb")]),
        ("[a:b:+2]", [(2, "a"), (5, "b")]),
        ("[a:b:.5]", [(2, "a"), (5, "b")]),
        ("[a:b:1e0]", [(1, "a"), (5, "b")]),
        ("[1:2]", [(2, ""), (5, "1")]),
        ("[a:1:2]", [(2, "a"), (5, "1")]),
        ("[(a:1.2):b:3]", [(3, "(a:1.2)"), (5, "b")]),
        ("[a:[b:c:4]:2]", [(2, "a"), (4, "b"), (5, "c")]),
        ("[a:b:0.2] [c:d:3]", [(1, "a c"), (3, "b c"), (5, "b d")]),
        ("[[a|b]:c:3]", [(1, "a"), (2, "b"), (3, "a"), (5, "c")]),
    ],
)
def test_edits_switch_where_they_say(prompt: str, stretches: list[tuple[int, str]]) -> None:
    assert said(prompt) == stretches


@pytest.mark.parametrize(
    ("when", "last"),
    [("1", 1), ("1.0", 5), ("0", 0), ("-1", 0), ("0.0", 0), ("9", 5), ("5.", 5), ("1e999", 5)],
)
def test_a_point_makes_a_fraction_of_a_number_of_steps(when: str, last: int) -> None:
    want = [(last, "a"), (5, "b")] if 0 < last < 5 else [(5, "a" if last else "b")]
    assert said(f"[a:b:{when}]") == want


@pytest.mark.parametrize(
    ("when", "last"), [("1.5", 2), ("1.0", 0), ("0.5", 0), ("2.0", 4), ("12", 2), ("3", 0)]
)
def test_a_hires_pass_goes_from_1_to_2_and_counts_on(when: str, last: int) -> None:
    second = Span(4, first_calls=10)
    want = [(last, "a"), (4, "b")] if 0 < last < 4 else [(4, "a" if last else "b")]
    assert said(f"[a:b:{when}]", second) == want


def test_old_timelines_know_fractions_below_1_and_plan_every_pass_like_the_first() -> None:
    assert said("[a:b:1.5]", Span(5, old=True)) == [(1, "a"), (5, "b")]
    assert said("[a:b:0.5]", Span(5, old=True)) == [(2, "a"), (5, "b")]
    assert said("[a:b:0.5]", Span(4, first_calls=10, old=True)) == [(5, "a"), (10, "b")]
    assert said("[a:b:3]", Span(4, first_calls=10, old=True)) == [(3, "a"), (10, "b")]


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("[a|b]", ["a", "b", "a", "b", "a"]),
        ("[fe|]male", ["female", "male", "female", "male", "female"]),
        ("[a|b|c]", ["a", "b", "c", "a", "b"]),
        ("[|a|]", ["", "a", "", "", "a"]),
        ("[a|[b|c]]", ["a", "c", "a", "c", "a"]),
    ],
)
def test_an_alternation_takes_one_option_a_step(prompt: str, texts: list[str]) -> None:
    assert schedule(prompt, FIVE) == tuple(enumerate(texts, 1))


@pytest.mark.parametrize(
    "prompt",
    ["[a|b:0.5]", "a|b [c:d:3]", "(a|b) [c:d:3]", "[c:d:3] \\", "[c:d:3] \\\n", "[a:b:c:3]",
     "[a:b]", "[a]", "[]", "[:]", "(a:b:3)", "[a:b:3", "\\[a:b:3]", "[a:b\\:3]", "|"],
)  # fmt: skip
def test_what_fits_no_rule_stays_as_it_is(prompt: str) -> None:
    assert schedule(prompt, FIVE) == ((5, prompt),)


@pytest.mark.parametrize(
    ("prompt", "stretches"),
    [
        ("[a [b:c:3]", [(3, "[a b"), (5, "[a c")]),
        ("[a:b:3]]", [(3, "a]"), (5, "b]")]),
        ("(x [b:c:3] :c:d)", [(3, "(x b :c:d)"), (5, "(x c :c:d)")]),
        ("[note: x] [b:c:3]", [(3, "[note: x] b"), (5, "[note: x] c")]),
        ("[x [a|b] y: z]", [(1, "[x a y: z]"), (2, "[x b y: z]"), (3, "[x a y: z]"),
                            (4, "[x b y: z]"), (5, "[x a y: z]")]),
    ],
)  # fmt: skip
def test_an_edit_inside_a_loose_bracket_is_an_edit(
    prompt: str, stretches: list[tuple[int, str]]
) -> None:
    assert said(prompt) == stretches


@given(st.text() | TANGLES | PROMPTS)
def test_any_text_parses_and_comes_back_to_the_letter(prompt: str) -> None:
    tree = parse(prompt)
    assert source(tree) == prompt
    assert parse(source(tree)) == tree


@given(TANGLES | PROMPTS, st.integers(1, 12), st.none() | st.integers(1, 9), st.booleans())
def test_stretches_come_in_order_and_cover_the_pass(
    prompt: str, calls: int, first: int | None, old: bool
) -> None:
    span = Span(calls, first, old)
    ends = [end for end, _ in schedule(prompt, span)]
    assert ends == sorted(set(ends))
    assert ends[-1] == span.length and ends[0] >= 1


@given(st.text(alphabet="ab (),.BREAK", max_size=30))
def test_a_prompt_without_edits_says_one_thing(prompt: str) -> None:
    assert schedule(prompt, FIVE) == ((5, prompt),)


@pytest.mark.parametrize(
    "brackets", ["[" * 1_000_000, "([" * 500_000, "[a|b]" * 200_000, ")" * 50_000]
)
def test_a_million_brackets_are_refused(brackets: str) -> None:
    with pytest.raises(TooLarge):
        parse(brackets)


@pytest.mark.parametrize(
    "prompt",
    [
        "[" * 1000,
        "[a|" * 1000 + "b" + "]" * 1000,
        "[a:" * 1000 + "b" + ":3]" * 1000,
        "(" * 1000 + ")" * 1000,
        "]" * 10_000,
        "[a|b]" * 1000,
        "[" + "|" * 9_000 + "]",
    ],
)
def test_deep_and_wide_nesting_is_bounded(prompt: str) -> None:
    assert source(parse(prompt)) == prompt
    stretches = schedule(prompt, Span(40))
    assert len(stretches) <= 40
    assert all(len(text) <= len(prompt) for _, text in stretches)
