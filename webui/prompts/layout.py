"""Weighted tokens laid out in chunks of 75, each of which the text encoder reads alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from webui.contract.request import Reading
from webui.library.vocabularies import BpeVocabulary

CHUNK = 75
"""Words of a prompt that fit between one start and one end word."""

USUAL = Reading()
"""How prompts are read unless something else is asked for."""

HOLD = 0
"""The id that keeps the place of a learned vector."""

Pair = tuple[int, float]


@dataclass(frozen=True)
class Chunk:
    """One reading of the text encoder: start word, 75 words, end word.

    Attributes:
        ids: 77 token ids.
        weights: 77 factors for the encoder's outputs; 1 for start, end and padding.
        used: how many of the 75 the prompt fills.
        learned: (place among the 77, name) of each embedding; its vectors go in from there on.
    """

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    used: int
    learned: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Layout:
    """A text in chunks, at least one.

    Attributes:
        chunks: what the text encoder reads, in order.
        used: tokens that the text takes; chunks closed early count as full.
        dropped: tokens left out, in the old implementation with its single chunk.
    """

    chunks: tuple[Chunk, ...]
    used: int
    dropped: int = 0

    @property
    def room(self) -> int:
        """The tokens that fit into the chunks."""
        return CHUNK * len(self.chunks)


@dataclass(frozen=True)
class Triggers:
    """The names of embeddings, as tokens; of several that fit, the longest name counts.

    `by_first` holds, for each first token, (tokens, name, vectors), longest first.
    """

    by_first: Mapping[int, Sequence[tuple[tuple[int, ...], str, int]]] = field(
        default_factory=dict[int, list[tuple[tuple[int, ...], str, int]]]
    )

    @classmethod
    def of(cls, names: Iterable[tuple[tuple[int, ...], str, int]]) -> "Triggers":
        """From (tokens, name, vectors) of each embedding."""
        table: dict[int, list[tuple[tuple[int, ...], str, int]]] = {}
        for entry in sorted(names, key=lambda entry: -len(entry[0])):
            if entry[0]:
                table.setdefault(entry[0][0], []).append(entry)
        return cls(table)

    def find(self, tokens: Sequence[int], place: int) -> tuple[int, str, int] | None:
        """(tokens of the name, name, vectors) of the embedding named at `place`."""
        for ids, name, vectors in self.by_first.get(tokens[place], ()):
            if tuple(tokens[place : place + len(ids)]) == ids:
                return len(ids), name, min(vectors, CHUNK)
        return None


NO_TRIGGERS = Triggers()


class Chunks:
    """Fills chunk after chunk with weighted tokens, as the older UI does."""

    def __init__(
        self, vocabulary: BpeVocabulary, comma: int | None, backtrack: int, triggers: Triggers
    ) -> None:
        self._vocabulary = vocabulary
        self._comma = comma
        self._backtrack = backtrack
        self._triggers = triggers
        self._full: list[Chunk] = []
        self._open: list[Pair] = []
        self._learned: list[tuple[int, str]] = []

    def add(self, tokens: Sequence[int], weight: float) -> None:
        """The tokens of one run; names of embeddings among them take their vectors' room."""
        place = 0
        while place < len(tokens):
            self._make_room(tokens[place])
            found = self._triggers.find(tokens, place)
            if found is None:
                self._open.append((tokens[place], weight))
                place += 1
                continue
            length, name, vectors = found
            if len(self._open) + vectors > CHUNK:
                self.close()
            self._learned.append((1 + len(self._open), name))
            self._open += [(HOLD, weight)] * vectors
            place += length

    def close(self) -> None:
        """End the open chunk, full or not."""
        self._full.append(closed(self._vocabulary, self._open, self._learned))
        self._open, self._learned = [], []

    def layout(self) -> Layout:
        """What was laid out."""
        used = CHUNK * len(self._full) + len(self._open)
        if self._open or not self._full:
            self.close()
        return Layout(tuple(self._full), used)

    def _make_room(self, following: int) -> None:
        """Close a full chunk; the words after a comma near its end move to the next."""
        if len(self._open) < CHUNK:
            return
        place = CHUNK if following == self._comma else self._after_comma()
        moved, self._open = self._open[place:], self._open[:place]
        learned = [(at - place, name) for at, name in self._learned if at > place]
        self._learned = [(at, name) for at, name in self._learned if at <= place]
        self.close()
        self._open, self._learned = moved, learned

    def _after_comma(self) -> int:
        """The place after the last comma that is near enough to the end, or the end."""
        for back in range(min(self._backtrack, CHUNK)):
            if self._open[-1 - back][0] == self._comma:
                return CHUNK - back
        return CHUNK


def closed(
    vocabulary: BpeVocabulary, pairs: Sequence[Pair], learned: Iterable[tuple[int, str]] = ()
) -> Chunk:
    """A chunk of up to 75 tokens, filled up; after the first end word all is padding."""
    empty = CHUNK - len(pairs)
    ids = [vocabulary.start, *(token for token, _ in pairs), *[vocabulary.end] * (empty + 1)]
    if vocabulary.pad != vocabulary.end:
        first = ids.index(vocabulary.end) + 1
        ids[first:] = [vocabulary.pad] * (len(ids) - first)
    weights = [1.0, *(weight for _, weight in pairs), *[1.0] * (empty + 1)]
    return Chunk(tuple(ids), tuple(weights), len(pairs), tuple(learned))


def without_weights(layout: Layout) -> Layout:
    """The same with every weight 1."""
    even = (1.0,) * (CHUNK + 2)
    return replace(layout, chunks=tuple(replace(one, weights=even) for one in layout.chunks))


def lay_out_old(
    vocabulary: BpeVocabulary,
    tokens: Sequence[int],
    brackets: Mapping[int, float],
    triggers: Triggers,
) -> Layout:
    """The first versions' reading: tokens made of brackets change the weight of all that follow.

    One chunk, and what does not fit is dropped.
    """
    pairs: list[Pair] = []
    learned: list[tuple[int, str]] = []
    weight, place = 1.0, 0
    while place < len(tokens):
        found = triggers.find(tokens, place)
        if tokens[place] in brackets:
            weight *= brackets[tokens[place]]
        elif found is None:
            pairs.append((tokens[place], weight))
        else:
            learned.append((1 + len(pairs), found[1]))
            pairs += [(HOLD, weight)] * found[2]
        place += found[0] if found and tokens[place] not in brackets else 1
    kept = [one for one in learned if one[0] <= CHUNK]
    chunk = closed(vocabulary, pairs[:CHUNK], kept)
    return Layout((chunk,), min(len(pairs), CHUNK), max(len(pairs) - CHUNK, 0))
