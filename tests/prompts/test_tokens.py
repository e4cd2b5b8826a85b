"""The tokenizer and the layout of prompts in chunks."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import tiny
from webui.contract.request import Emphasis, Reading
from webui.library.vocabularies import BpeVocabulary, read_clip_vocabulary, read_vocabulary
from webui.prompts.layout import CHUNK
from webui.prompts.tokens import PromptTokenizer, tokenizer_for

STRINGS = [
    "",
    "a cat",
    "A Photo of an ASTRONAUT riding a horse",
    "it's we've I'll don't 'quoted' O'Neill's",
    "numbers 12345 1st 3.14 2x4",
    "under_score-dash/slash\\back (round) [square] {curly} <lora:x:1>",
    "  leading,  double   spaces \t tabs \n lines \r\n end  ",
    "naïve café Ångström Straße ÇEDİLLA İstanbul",
    "e\u0301 combining \u0041\u030a",
    "猫が好き 한국어 中文，标点。",
    "Привет мир Ελληνικά עברית العربية हिन्दी",
    "😀 👍🏽 👨‍👩‍👧‍👦 🇩🇪 ☃️",
    "<|startoftext|> <|endoftext|> <|STARTOFTEXT|> <|endoftext|>x",
    "zero\u200bwidth\ufeffmarks\u00a0nbsp\u3000wide",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "!!! ... ,,, ;;; ??? --- ***",
    "\x00\x01\x7f control",
    "½ ² ① Ⅷ ٣ 四",
]


@pytest.fixture(scope="module")
def clip_words() -> BpeVocabulary:
    return read_clip_vocabulary()


@pytest.fixture(scope="module")
def clip(clip_words: BpeVocabulary) -> PromptTokenizer:
    return tokenizer_for(clip_words)


@pytest.fixture(scope="module")
def oracle(clip_words: BpeVocabulary):
    from webui.weights.torchvision_guard import mend_torchvision

    mend_torchvision()
    from transformers import CLIPTokenizer

    return CLIPTokenizer(
        vocab=dict(clip_words.tokens), merges=list(clip_words.merges), model_max_length=10**6
    )


@pytest.mark.parametrize("text", STRINGS)
def test_ids_are_those_of_transformers(clip: PromptTokenizer, oracle, text: str) -> None:
    assert clip.encode(text) == oracle(text, add_special_tokens=False)["input_ids"]


def varied_strings(count: int) -> list[str]:
    """Strings of all sorts, the same at every run."""
    draw = Random(75)
    words = [
        "a", "photo", "of", "an", "astronaut", "riding", "Horse,", "masterpiece", "(best:1.2)",
        "[blue|red]", "BREAK", "4k", "it's", "don't", "we'll", "naïve", "Ünï", "猫", "日本語",
        "한국", "привет", "мир", "ελλ", "עבר", "عرب", "हिन्दी", "😀", "👍🏽", "½", "①", "²",
    ]  # fmt: skip
    signs = ",.;:!?-_/\\|()[]{}<>#@&%$*+=~^`'\"…—„“”«»¿¡°€£"
    blanks = ["", " ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u200b", "\ufeff"]

    def piece() -> str:
        kind = draw.randrange(5)
        if kind == 0:
            return "".join(draw.choices(signs, k=draw.randint(1, 4)))
        if kind == 1:
            return str(draw.randrange(10 ** draw.randint(1, 6)))
        if kind == 2:
            return "".join(chr(draw.randint(33, 0x24FF)) for _ in range(draw.randint(1, 6)))
        word = draw.choice(words)
        return draw.choice([word, word.upper(), word.title(), word[::-1]])

    return [
        "".join(piece() + draw.choice(blanks) for _ in range(draw.randint(1, 25)))
        for _ in range(count)
    ]


def test_ids_of_500_varied_strings_are_those_of_transformers(clip: PromptTokenizer, oracle) -> None:
    texts = varied_strings(500)
    assert len(set(texts)) == 500
    want = oracle(texts, add_special_tokens=False)["input_ids"]
    assert [clip.encode(text) for text in texts] == want


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_ids_of_any_text_are_those_of_transformers(
    clip: PromptTokenizer, oracle, text: str
) -> None:
    assert clip.encode(text) == oracle(text, add_special_tokens=False)["input_ids"]


def test_a_folder_of_files_gives_the_ids_that_transformers_gives_for_it(tmp_path: Path) -> None:
    from webui.weights.torchvision_guard import mend_torchvision

    mend_torchvision()
    from transformers import CLIPTokenizer

    tiny.write_tokenizer(tmp_path)
    own = PromptTokenizer(read_vocabulary(tmp_path))
    theirs = CLIPTokenizer.from_pretrained(tmp_path)
    for text in STRINGS:
        assert own.encode(text) == theirs(text, add_special_tokens=False)["input_ids"]


def test_known_words_have_the_ids_everybody_knows(clip: PromptTokenizer) -> None:
    assert clip.encode("a photo of a cat, dog") == [320, 1125, 539, 320, 2368, 267, 1929]


def test_a_short_prompt_is_one_padded_chunk(clip: PromptTokenizer) -> None:
    (chunk,) = clip.chunks("a (cat:1.5)")
    assert chunk.ids == (49406, 320, 2368, *[49407] * 74)
    assert chunk.weights == (1.0, 1.0, 1.5, *[1.0] * 74)
    assert chunk.used == 2


def test_an_empty_prompt_is_one_empty_chunk(clip: PromptTokenizer) -> None:
    (chunk,) = clip.chunks("")
    assert chunk.ids == (49406, *[49407] * 76)
    assert clip.count("") == (0, 75)


def test_padding_is_the_vocabularys_own(clip_words: BpeVocabulary) -> None:
    (chunk,) = PromptTokenizer(read_clip_vocabulary(pad="!")).chunks("cat")
    assert chunk.ids == (49406, 2368, 49407, *[0] * 74)


def test_exactly_75_tokens_fill_one_chunk_and_one_more_opens_another(
    clip: PromptTokenizer,
) -> None:
    assert clip.count("cat " * 75) == (75, 75)
    assert clip.count("cat " * 76) == (76, 150)
    assert [chunk.used for chunk in clip.chunks("cat " * 151)] == [75, 75, 1]


def test_every_chunk_has_77_ids_and_weights(clip: PromptTokenizer) -> None:
    for chunk in clip.chunks("a (cat, dog:1.3) BREAK " * 30):
        assert len(chunk.ids) == len(chunk.weights) == CHUNK + 2


@pytest.mark.parametrize(("after", "moved"), [(1, 1), (19, 19), (20, 0), (30, 0)])
def test_a_full_chunk_gives_back_at_most_the_19_words_after_its_last_comma(
    clip: PromptTokenizer, after: int, moved: int
) -> None:
    before = CHUNK - after - 1
    one, two = clip.chunks("cat " * before + "," + " dog" * after + " bird")
    assert (one.used, two.used) == (CHUNK - moved, 1 + moved)


def test_a_comma_as_the_last_word_of_a_chunk_moves_nothing(clip: PromptTokenizer) -> None:
    assert [c.used for c in clip.chunks("cat " * 74 + ", dog")] == [75, 1]


def test_a_comma_as_the_first_word_too_many_opens_the_next_chunk(clip: PromptTokenizer) -> None:
    one, two = clip.chunks("cat " * 60 + "," + " dog" * 14 + ", bird")
    assert one.used == 75
    assert two.ids[1] == 267


def test_words_keep_their_weights_when_they_move(clip: PromptTokenizer) -> None:
    one, two = clip.chunks("cat " * 70 + ", (dog dog dog dog:1.4) bird")
    assert one.used == 71
    assert two.weights[1:6] == (1.4, 1.4, 1.4, 1.4, 1.0)


def test_break_closes_a_chunk_even_an_empty_one(clip: PromptTokenizer) -> None:
    assert [c.used for c in clip.chunks("cat BREAK dog")] == [1, 1]
    assert [c.used for c in clip.chunks("BREAK dog")] == [0, 1]
    assert [c.used for c in clip.chunks("cat BREAK BREAK dog")] == [1, 0, 1]
    assert [c.used for c in clip.chunks("cat BREAK")] == [1]
    assert clip.count("cat BREAK dog") == (76, 150)
    assert clip.count("cat BREAK") == (75, 75)


def test_a_break_inside_a_weighted_bracket_is_read_as_a_word(clip: PromptTokenizer) -> None:
    (chunk,) = clip.chunks("(cat BREAK dog:1.2)")
    assert chunk.ids[1:4] == (2368, *clip.encode("BREAK"), 1929)[:3]
    assert chunk.weights[2] == pytest.approx(-1.2)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["cat", ",", "(dog:1.2)", "BREAK", "[bird]", "é"]), max_size=250))
def test_laying_out_loses_no_token_and_no_order(clip: PromptTokenizer, words: list[str]) -> None:
    prompt = " ".join(words)
    laid = [i for chunk in clip.chunks(prompt) for i in chunk.ids[1 : 1 + chunk.used]]
    spoken = [word.strip("()[]:.12") for word in words if word != "BREAK"]
    assert laid == [i for word in spoken for i in clip.encode(word)]
    used, capacity = clip.count(prompt)
    assert 0 <= used <= capacity


@pytest.mark.parametrize(("backtrack", "moved"), [(0, 0), (5, 0), (6, 5), (74, 5)])
def test_the_backtrack_is_as_long_as_asked_for(
    clip: PromptTokenizer, backtrack: int, moved: int
) -> None:
    prompt = "cat " * 69 + "," + " dog" * 5 + " bird"
    one, two = clip.lay_out(prompt, Reading(comma_backtrack=backtrack)).chunks
    assert (one.used, two.used) == (CHUNK - moved, 1 + moved)


def test_without_emphasis_brackets_and_break_are_words(clip: PromptTokenizer) -> None:
    prompt = "a (cat:1.2) BREAK [dog]"
    (chunk,) = clip.lay_out(prompt, Reading(emphasis=Emphasis.NONE)).chunks
    assert list(chunk.ids[1 : 1 + chunk.used]) == clip.encode(prompt)
    assert set(chunk.weights) == {1.0}


def test_ignored_emphasis_is_read_but_weighs_nothing(clip: PromptTokenizer) -> None:
    prompt = "a (cat:1.2) BREAK [dog]"
    ignored = clip.lay_out(prompt, Reading(emphasis=Emphasis.IGNORE)).chunks
    assert [chunk.ids for chunk in ignored] == [chunk.ids for chunk in clip.chunks(prompt)]
    assert all(set(chunk.weights) == {1.0} for chunk in ignored)


def test_the_old_implementation_weighs_all_that_follows_a_bracket(clip: PromptTokenizer) -> None:
    old = Reading(old_emphasis=True)
    (chunk,) = clip.lay_out("a (cat) ((dog)) [bird] BREAK x", old).chunks
    assert list(chunk.ids[1 : 1 + chunk.used]) == clip.encode("a cat dog bird break x")
    want = [1, 1.1, 1.21, 1 / 1.1, 1, 1]
    assert chunk.weights[1:7] == pytest.approx(want)
    (open_,) = clip.lay_out("(cat dog", old).chunks
    assert open_.weights[1:3] == pytest.approx([1.1, 1.1])
    assert open_.weights[3:] == (1.0,) * 74


def test_the_old_implementation_has_one_chunk_and_drops_the_rest(clip: PromptTokenizer) -> None:
    layout = clip.lay_out("cat " * 80, Reading(old_emphasis=True))
    assert len(layout.chunks) == 1
    assert (layout.used, layout.dropped) == (75, 5)


def test_a_name_of_an_embedding_takes_the_room_of_its_vectors(clip: PromptTokenizer) -> None:
    triggers = clip.triggers({"my-style": 3, "my": 1, "unused": 2})
    (chunk,) = clip.lay_out("a (MY-style:1.3) cat, my dog", Reading(), triggers).chunks
    assert chunk.learned == ((2, "my-style"), (7, "my"))
    assert chunk.ids[2:5] == (0, 0, 0) and chunk.weights[2:5] == (1.3, 1.3, 1.3)
    assert list(chunk.ids[5:7]) == clip.encode("cat,")
    assert chunk.used == 8


def test_an_embedding_that_does_not_fit_opens_a_chunk(clip: PromptTokenizer) -> None:
    triggers = clip.triggers({"style": 10})
    one, two = clip.lay_out("cat " * 70 + "style dog", Reading(), triggers).chunks
    assert (one.used, two.used) == (70, 11)
    assert (one.learned, two.learned) == ((), ((1, "style"),))


def test_an_embedding_moves_with_the_words_after_a_comma(clip: PromptTokenizer) -> None:
    triggers = clip.triggers({"style": 2})
    one, two = clip.lay_out("cat " * 69 + ", dog style dog dog bird", Reading(), triggers).chunks
    assert (one.used, two.used) == (70, 6)
    assert two.learned == ((2, "style"),)


def test_tokens_are_spelled_as_people_read_them(clip: PromptTokenizer) -> None:
    text = "photo of supercalifragilistic café 猫 😀"
    spelled = clip.spell(clip.encode(text))
    assert "".join(spelled).replace("·", "").split() == text.split()
    assert "photo " in spelled and "super" in spelled
    assert clip.spell([49407, -1]) == ["<|endoftext|>", ""]


def test_after_the_first_end_word_other_paddings_fill_everything() -> None:
    (chunk,) = PromptTokenizer(read_clip_vocabulary(pad="!")).chunks("cat <|endoftext|> dog")
    assert chunk.ids == (49406, 2368, 49407, *[0] * 74)


def test_one_vocabulary_is_built_once(clip_words: BpeVocabulary) -> None:
    assert tokenizer_for(clip_words) is tokenizer_for(clip_words)


def test_the_server_can_count_without_torch() -> None:
    code = (
        "import sys\n"
        "from webui.library.vocabularies import read_clip_vocabulary\n"
        "from webui.prompts import styles\n"
        "from webui.prompts.tokens import PromptTokenizer\n"
        "assert PromptTokenizer(read_clip_vocabulary()).count('a cat') == (2, 75)\n"
        "assert not {'torch', 'transformers', 'diffusers', 'clip'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
