"""The one tokenizer: prompt to token ids and weights, for the encoder and for the counter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from webui.library.vocabularies import END, START, WORD_END, BpeVocabulary
from webui.prompts.syntax import BREAK, BREAK_WEIGHT, parse_attention

CHUNK = 75
"""Words of a prompt that fit between one start and one end word."""

COMMA_BACKTRACK = 20
"""How many tokens a full chunk may give back so that the next one starts after a comma."""

WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d"
    r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
"""What CLIP's vocabulary counts as a word: endings, letters, one digit, other signs."""

Pair = tuple[int, float]


@dataclass(frozen=True)
class Chunk:
    """One reading of the text encoder: start word, 75 words, end word.

    Attributes:
        ids: 77 token ids.
        weights: 77 factors for the encoder's outputs; 1 for start, end and padding.
        used: how many of the 75 the prompt fills.
    """

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    used: int


class PromptTokenizer:
    """Reads text as CLIP's tokenizer does, and lays prompts out in chunks as the older UI does."""

    def __init__(self, vocabulary: BpeVocabulary) -> None:
        self.vocabulary = vocabulary
        self.comma = vocabulary.tokens.get("," + WORD_END)
        self._tokenizer = _build(vocabulary)

    def encode(self, text: str) -> list[int]:
        """The ids of `text` alone, without start and end."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def count(self, prompt: str) -> tuple[int, int]:
        """Tokens that a prompt takes and the room its chunks have, as `(12, 75)`.

        Chunks that a break or a comma closed early count as full.
        """
        chunks = self.chunks(prompt)
        capacity = CHUNK * len(chunks)
        return capacity - CHUNK + chunks[-1].used, capacity

    def chunks(self, prompt: str) -> list[Chunk]:
        """Parse the weights in a prompt and lay its tokens out; always at least one chunk."""
        return self.lay_out(parse_attention(prompt))

    def lay_out(self, runs: Iterable[tuple[str, float]]) -> list[Chunk]:
        """Fill chunks with the tokens of weighted runs; the break mark closes a chunk."""
        full: list[list[Pair]] = []
        open_: list[Pair] = []
        for text, weight in runs:
            if text == BREAK and weight == BREAK_WEIGHT:
                full.append(open_)
                open_ = []
                continue
            for token in self.encode(text):
                if len(open_) == CHUNK:
                    done, open_ = self._divided(open_, token)
                    full.append(done)
                open_.append((token, weight))
        if open_ or not full:
            full.append(open_)
        return [self._closed(pairs) for pairs in full]

    def _divided(self, pairs: list[Pair], following: int) -> tuple[list[Pair], list[Pair]]:
        """A full chunk, and what moves to the next: the words after a comma near its end."""
        if following == self.comma:
            return pairs, []
        for back in range(min(COMMA_BACKTRACK, len(pairs))):
            if pairs[-1 - back][0] == self.comma:
                place = len(pairs) - back
                return pairs[:place], pairs[place:]
        return pairs, []

    def _closed(self, pairs: Sequence[Pair]) -> Chunk:
        words = self.vocabulary
        empty = CHUNK - len(pairs)
        ids = [words.start, *(token for token, _ in pairs), words.end, *[words.pad] * empty]
        weights = [1.0, *(weight for _, weight in pairs), 1.0, *[1.0] * empty]
        return Chunk(tuple(ids), tuple(weights), len(pairs))


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
