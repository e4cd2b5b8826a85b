"""Comments, tags, AND, and all layers together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.prompts.strategies import PROMPTS, TANGLES
from webui.errors import TooLarge
from webui.prompts.syntax import NetworkTag, Span, compose, cut_tags, strip_comments, word


@pytest.mark.parametrize(
    ("prompt", "left"),
    [
        ("a cat", "a cat"),
        ("a cat # not a dog", "a cat"),
        ("a\n# b\nc", "a\nc"),
        ("# a\nb", "b"),
        ("a # b\nc", "a \nc"),
        ("red #ff0000, big", "red"),
        ("#", ""),
    ],
)
def test_a_comment_runs_to_the_end_of_its_line(prompt: str, left: str) -> None:
    assert strip_comments(prompt) == left


@given(st.text() | TANGLES)
def test_after_stripping_no_comment_is_left(prompt: str) -> None:
    assert "#" not in strip_comments(prompt)
    assert strip_comments(strip_comments(prompt)) == strip_comments(prompt)


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("a AND b", [("a", 1.0), (" b", 1.0)]),
        ("a cat :1.2 AND a dog AND c :-0.4", [("a cat", 1.2), (" a dog", 1.0), (" c", -0.4)]),
        ("a : + 1", [("a : + 1", 1.0)]),
        ("a:1. AND b:.5", [("a", 1.0), (" b", 0.5)]),
        ("a:1:2", [("a:1", 2.0)]),
        ("time 10:30", [("time 10", 30.0)]),
        ("(a:1.2)", [("(a:1.2)", 1.0)]),
        ("a:.", [("a:.", 1.0)]),
        ("LAND ANDY and AND_", [("LAND ANDY and AND_", 1.0)]),
        ("AND", [("", 1.0), ("", 1.0)]),
        ("[a AND b:0.5]", [("[a", 1.0), (" b:0.5]", 1.0)]),
        (" \n", [("", 1.0)]),
        (":3", [("", 3.0)]),
    ],
)
def test_and_splits_and_each_part_may_end_with_its_weight(
    prompt: str, parts: list[tuple[str, float]]
) -> None:
    assert compose(prompt) == parts


def test_blanks_do_not_slow_composition_down() -> None:
    assert compose(" " * 100_000 + "x" + " \t" * 50_000) == [(" " * 100_000 + "x", 1.0)]


@pytest.mark.parametrize(
    ("tag", "read"),
    [
        ("<lora:ink>", NetworkTag("lora", "ink", 1.0, 1.0)),
        ("<lora:ink:0.8>", NetworkTag("lora", "ink", 0.8, 0.8)),
        ("<lora:ink:0.8:0.5>", NetworkTag("lora", "ink", 0.8, 0.5)),
        ("<lora:ink:1:1:16>", NetworkTag("lora", "ink", 1.0, 1.0, 16)),
        ("<lora:ink:te=0.3>", NetworkTag("lora", "ink", 0.3, 0.3)),
        ("<lora:ink:0.8:0.5:te=0.1:dyn=4>", NetworkTag("lora", "ink", 0.1, 0.5, 4)),
        ("<lora:ink:unet=0>", NetworkTag("lora", "ink", 1.0, 0.0)),
        ("<lora:ink:-1>", NetworkTag("lora", "ink", -1.0, -1.0)),
        ("<lyco:ink:0.5>", NetworkTag("lora", "ink", 0.5, 0.5)),
        ("<hypernet:anime:0.4>", NetworkTag("hypernet", "anime", 0.4, 0.4)),
    ],
)
def test_a_tag_names_a_network_and_its_strengths(tag: str, read: NetworkTag) -> None:
    text, (found,) = cut_tags(f"a {tag} cat")
    assert text == "a  cat"
    assert found == NetworkTag(
        read.kind, read.name, read.te, read.unet, read.dyn, source=tag
    )  # and no fault


LIST_12 = "0.5,0,0,0,1,1,1,0,0,0,0,0.25"


@pytest.mark.parametrize(
    ("arguments", "strengths"),
    [
        ("1:lbw=OUTD", (1.0, 1.0)),
        ("0.8:outd", (0.8, 0.8)),
        ("0.8:0.5:lbw=1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0", (0.8, 0.5)),
        ("1:1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0", (1.0, 1.0)),
        ("1:1:w=OUTD", (1.0, 1.0)),
    ],
)
def test_a_tag_has_weights_by_block(arguments: str, strengths: tuple[float, float]) -> None:
    (found,) = cut_tags(f"<lora:ink:{arguments}>")[1]
    assert (found.te, found.unet, found.fault, found.ignored) == (*strengths, "", ())
    given = {block for block, weight in found.blocks if weight == 1}
    assert given == {"BASE", "OUT03", "OUT04", "OUT05", "OUT06"}
    assert {weight for _, weight in found.blocks} == {0.0, 1.0}
    assert len(found.blocks) == 26


def test_lists_of_every_length_name_their_blocks() -> None:
    def weights(text: str) -> dict[str, float]:
        (found,) = cut_tags(f"<lora:ink:1:lbw={text}>")[1]
        assert not found.fault
        return {block: weight for block, weight in found.blocks if weight}

    assert weights(LIST_12) == {
        "BASE": 0.5, "IN08": 1, "M00": 1, "OUT00": 1, "OUT05": 0.25,
    }  # fmt: skip
    assert weights(",".join(["0"] * 19 + ["-1"])) == {"OUT08": -1}
    assert weights(",".join(["0"] * 25 + ["1"])) == {"OUT11": 1}
    assert weights(",".join(["0"] * 4 + ["1"] + ["0"] * 55 + ["2"])) == {"D01": 1, "OUT": 2}
    assert weights("all") == {}
    assert set(weights("ALL0.5").values()) == {0.5}
    assert weights("INS") == {"BASE": 1, "IN01": 1, "IN02": 1, "IN04": 1}
    assert weights("MID") == {"M00": 1}
    assert len(weights("NOUT03")) == 16 and "OUT03" not in weights("NOUT03")


@pytest.mark.parametrize("text", ["UPPER", "1,2,3", ",".join("R" * 17), ",".join(["nan"] * 12)])
def test_wrong_weights_by_block_are_said(text: str) -> None:
    (found,) = cut_tags(f"<lora:ink:1:lbw={text}>")[1]
    assert found.fault.startswith(f"<lora:ink:1:lbw={text}>: ")


def test_arguments_that_nobody_knows_are_kept_to_be_said() -> None:
    (found,) = cut_tags("<lora:ink:0.5:step=0-10:te=1>")[1]
    assert (found.te, found.unet, found.ignored) == (1.0, 1.0, ("step=0-10",))


@pytest.mark.parametrize(
    "tag", ["<lora:ink:much>", "<lora:ink:nan>", "<lora:ink:1:1:x>", "<lora::1>", "<style:ink>"]
)
def test_a_wrong_tag_is_cut_and_says_what_is_wrong(tag: str) -> None:
    text, (found,) = cut_tags(f"{tag}cat")
    assert text == "cat"
    assert found.fault


@pytest.mark.parametrize("text", ["a < b : c > d", "<lora>", "<lora:>", "<>", "<a b:c>"])
def test_what_is_no_tag_stays(text: str) -> None:
    assert cut_tags(text) == (text, ())


def test_all_layers_are_read_in_their_order() -> None:
    wording = word("[a:b:2] <lora:x> AND c :0.5 # d", Span(4))
    one, two = wording.parts
    assert one.segments == ((2, "a"), (4, "b"))
    assert (two.text, two.weight, two.segments) == (" c", 0.5, ((4, " c"),))
    assert [tag.name for tag in wording.networks] == ["x"]


def test_a_negative_prompt_knows_edits_but_neither_tags_nor_and() -> None:
    wording = word("[a:b:2] AND <lora:x> :0.5 # c", Span(4), negative=True)
    (part,) = wording.parts
    assert part.weight == 1.0 and wording.networks == ()
    assert [text for _, text in part.segments] == [
        "a AND <lora:x> :0.5",
        "b AND <lora:x> :0.5",
    ]


@given(st.text() | TANGLES | PROMPTS, st.booleans())
def test_any_prompt_is_read(prompt: str, negative: bool) -> None:
    wording = word(prompt, Span(5), negative)
    assert wording.parts and all(part.segments for part in wording.parts)


def test_a_prompt_too_large_names_its_field() -> None:
    with pytest.raises(TooLarge) as caught:
        word("(" * 1_000_000, Span(5), negative=True)
    assert caught.value.field == "prompt.negative"
