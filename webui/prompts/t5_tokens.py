"""T5's tokenizer: prompt to token ids and weights, in one piece of a given length."""

from functools import lru_cache

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import Unigram

from webui.contract.request import Emphasis, Reading
from webui.library.t5_vocabulary import UnigramVocabulary
from webui.prompts.layout import USUAL, Chunk
from webui.prompts.syntax import BREAK, BREAK_WEIGHT, parse_attention

LONGEST = 512
"""Tokens that the networks were trained with at most."""


class T5Tokenizer:
    """Reads text as T5's tokenizer does."""

    def __init__(self, vocabulary: UnigramVocabulary) -> None:
        self.vocabulary = vocabulary
        self._tokenizer = _build(vocabulary)

    def encode(self, text: str) -> list[int]:
        """The ids of `text` alone, without the end."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def lay_out(self, prompt: str, length: int, reading: Reading = USUAL) -> Chunk:
        """Weigh the words of a prompt, end it, and fill it up to `length` tokens.

        A longer prompt has its own length, and is cut at `LONGEST`. Breaks mean nothing here.
        """
        literal = reading.emphasis is Emphasis.NONE
        pairs: list[tuple[int, float]] = []
        for text, weight in [(prompt, 1.0)] if literal else parse_attention(prompt):
            if text == BREAK and weight == BREAK_WEIGHT:
                continue
            weight = 1.0 if reading.emphasis is Emphasis.IGNORE else weight
            pairs += [(token, weight) for token in self.encode(text)]
        del pairs[max(LONGEST, length) - 1 :]
        used = len(pairs)
        pairs.append((self.vocabulary.end, 1.0))
        pairs += [(self.vocabulary.pad, 1.0)] * (length - len(pairs))
        ids, weights = zip(*pairs, strict=True)
        return Chunk(ids, weights, used)


@lru_cache(maxsize=2)
def t5_tokenizer_for(vocabulary: UnigramVocabulary) -> T5Tokenizer:
    """The tokenizer of a vocabulary, built once."""
    return T5Tokenizer(vocabulary)


def _build(vocabulary: UnigramVocabulary) -> Tokenizer:
    model = Unigram(list(vocabulary.pieces), vocabulary.unknown, byte_fallback=False)
    tokenizer = Tokenizer(model)
    if vocabulary.charsmap:
        tokenizer.normalizer = normalizers.Precompiled(vocabulary.charsmap)
    # SentencePiece drops surplus blanks, and marks the beginning of every word.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always"),
        ]
    )
    return tokenizer
