"""The one tokenizer: prompt to token ids and weights, for the encoder and for the counter."""

from codecs import getincrementaldecoder
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from webui.contract.request import Emphasis, Reading
from webui.library.vocabularies import END, START, WORD_END, BpeVocabulary, byte_letters
from webui.prompts.layout import (
    NO_TRIGGERS,
    USUAL,
    Chunk,
    Chunks,
    Layout,
    Triggers,
    lay_out_old,
    without_weights,
)
from webui.prompts.syntax import BREAK, BREAK_WEIGHT, parse_attention
from webui.prompts.syntax.attention import ROUND

WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d"
    r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
"""What CLIP's vocabulary counts as a word: endings, letters, one digit, other signs."""

PIECE = "·"
"""What a token shows that holds only a part of a letter."""

STRONGER, WEAKER = "(]", ")["
"""Brackets that raised and lowered the weight of all that followed, in the first versions."""


class PromptTokenizer:
    """Reads text as CLIP's tokenizer does, and lays prompts out in chunks as the older UI does."""

    def __init__(self, vocabulary: BpeVocabulary) -> None:
        self.vocabulary = vocabulary
        self.comma = vocabulary.tokens.get("," + WORD_END)
        self._tokenizer = _build(vocabulary)

    def encode(self, text: str) -> list[int]:
        """The ids of `text` alone, without start and end."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def spell(self, tokens: Iterable[int]) -> list[str]:
        """The letters that each token adds; a blank at the end where it ends a word.

        A letter of several bytes stands at the token that completes it; the others show a dot.
        """
        decoder = getincrementaldecoder("utf-8")("replace")
        spelled: list[str] = []
        for token in tokens:
            written = self._spellings.get(token, "")
            letters = written.removesuffix(WORD_END)
            ends = " " if letters != written else ""
            if all(letter in self._bytes for letter in letters):
                data = bytes(self._bytes[letter] for letter in letters)
                letters = decoder.decode(data) or (PIECE if data else "")
            spelled.append(letters + ends)
        return spelled

    def triggers(self, names: Mapping[str, int]) -> Triggers:
        """What tells embeddings in a prompt, from their names and numbers of vectors."""
        return Triggers.of((tuple(self.encode(name)), name, n) for name, n in names.items())

    def count(self, prompt: str) -> tuple[int, int]:
        """Tokens that a prompt takes and the room its chunks have, as `(12, 75)`.

        Chunks that a break or a comma closed early count as full.
        """
        layout = self.lay_out(prompt)
        return layout.used, layout.room

    def chunks(self, prompt: str) -> list[Chunk]:
        """The chunks of a prompt read the usual way; always at least one."""
        return list(self.lay_out(prompt).chunks)

    def lay_out(
        self, prompt: str, reading: Reading = USUAL, triggers: Triggers = NO_TRIGGERS
    ) -> Layout:
        """Weigh the words of a prompt that says one thing, and lay its tokens out in chunks."""
        words, emphasis = self.vocabulary, reading.emphasis
        literal = emphasis is Emphasis.NONE
        if reading.old_emphasis:
            brackets = {} if literal else self._brackets
            layout = lay_out_old(words, self.encode(prompt), brackets, triggers)
        else:
            chunks = Chunks(words, self.comma, reading.comma_backtrack, triggers)
            for text, weight in [(prompt, 1.0)] if literal else parse_attention(prompt):
                if text == BREAK and weight == BREAK_WEIGHT:
                    chunks.close()
                else:
                    chunks.add(self.encode(text), weight)
            layout = chunks.layout()
        return without_weights(layout) if emphasis is Emphasis.IGNORE else layout

    @cached_property
    def _spellings(self) -> dict[int, str]:
        return {number: word for word, number in self.vocabulary.tokens.items()}

    @cached_property
    def _bytes(self) -> dict[str, int]:
        return {letter: byte for byte, letter in byte_letters().items()}

    @cached_property
    def _brackets(self) -> dict[int, float]:
        """What each token that holds brackets does to the weight; pairs in one token do nothing."""
        table: dict[int, float] = {}
        for word, number in self.vocabulary.tokens.items():
            factor = 1.0
            for sign in word:
                if sign in STRONGER:
                    factor *= ROUND
                elif sign in WEAKER:
                    factor /= ROUND
            if factor != 1.0:
                table[number] = factor
        return table


@lru_cache(maxsize=8)
def tokenizer_for(vocabulary: BpeVocabulary) -> PromptTokenizer:
    """The tokenizer of a vocabulary, built once: CLIP's takes a tenth of a second."""
    return PromptTokenizer(vocabulary)


def _build(vocabulary: BpeVocabulary) -> Tokenizer:
    model = BPE(
        vocab=dict(vocabulary.tokens),
        merges=list(vocabulary.merges),
        continuing_subword_prefix="",
        end_of_word_suffix=WORD_END,
        fuse_unk=False,
        unk_token=END,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_special_tokens([START, END])
    return tokenizer
