"""How a prompt was read: chunks, tokens, weights, and what is said when."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Annotated, Literal

from pydantic import Field

from webui.contract.fields import Frozen, Name, Text
from webui.contract.request import GenerationRequest, Reading
from webui.contract.vocabulary import SECOND_ORDER
from webui.errors import TooLarge
from webui.prompts.doubts import doubts
from webui.prompts.layout import Chunk, Layout
from webui.prompts.learned import NOTHING, Offer
from webui.prompts.syntax import NetworkTag, Span, SpokenPart, word
from webui.prompts.tokens import PromptTokenizer

HIRES = "Hires"
"""How the titles of prompts begin that only the hires pass has."""

MOST_LETTERS = 400_000
"""Letters of all that a prompt says in turn; what says more is not explained."""


class Asked(Frozen):
    """A prompt, and what its reading depends on; `hires_steps` asks for the second pass too."""

    prompt: Text
    negative: bool = False
    steps: Annotated[int, Field(ge=1, le=150)] = 20
    hires_steps: Annotated[int, Field(ge=1, le=150)] | None = None
    sampler: Name = ""
    hires_sampler: Name = ""
    checkpoint: Name = ""
    reading: Reading = Reading()

    @property
    def counts_steps(self) -> bool:
        """Whether every pass calls the network once for each step."""
        return calls_per_step(self.sampler) == calls_per_step(self.hires_sampler) == 1

    def spans(self) -> tuple[Span, ...]:
        """The calls of the passes, the first one first."""
        calls = self.steps * calls_per_step(self.sampler)
        old = self.reading.old_editing
        first = Span(calls, old=old)
        if self.hires_steps is None:
            return (first,)
        twice = calls_per_step(self.hires_sampler or self.sampler)
        return (first, Span(self.hires_steps * twice, calls, old))


class TokenView(Frozen):
    """One token: its letters with a blank where a word ends, and its weight.

    A vector of an embedding has that one's name for `text` and for `embedding`.
    """

    id: int
    text: str
    weight: float
    embedding: str = ""


class ChunkView(Frozen):
    """What the text encoder reads at once: up to 75 tokens, padding left out."""

    tokens: tuple[TokenView, ...]


class TextView(Frozen):
    """One thing that a prompt says."""

    text: str
    chunks: tuple[ChunkView, ...]


class StretchView(Frozen):
    """From `first` to `last`, counted from 1, the text with this number is said."""

    first: int
    last: int
    text: int


class PartView(Frozen):
    """One prompt of a composition by AND."""

    text: str
    weight: float
    texts: tuple[TextView, ...]
    schedule: tuple[StretchView, ...]


class NetworkView(Frozen):
    """An extra network that the prompt asks for."""

    kind: str
    name: str
    te: float
    unet: float
    dyn: int | None
    fault: str


class Explanation(Frozen):
    """A prompt as it is read.

    `unit` says what schedules count: steps, or calls of the network, of which some samplers make
    two for each step. `used` and `room` are what the counter shows: the longest text.
    """

    unit: Literal["step", "call"]
    parts: tuple[PartView, ...]
    hires: tuple[PartView, ...] = ()
    networks: tuple[NetworkView, ...] = ()
    notices: tuple[str, ...] = ()
    used: int
    room: int

    def second(self) -> "Explanation":
        """The same with the hires pass alone."""
        return self.model_copy(update={"parts": self.hires, "hires": ()})


class Titled(Frozen):
    """An explanation with the name of its prompt."""

    title: str
    explanation: Explanation


def questions(request: GenerationRequest) -> Iterator[tuple[str, Asked]]:
    """What there is to explain of a request, with titles; empty prompts are left out.

    A hires pass with a prompt of its own is asked for apart.
    """
    hires, prompt = request.hires, request.prompt
    second = None if hires is None else hires.steps or request.sampling.steps
    first = Asked(
        prompt=prompt.positive,
        steps=request.sampling.steps,
        hires_steps=second,
        sampler=request.sampling.sampler,
        hires_sampler=hires.sampler if hires else "",
        checkpoint=request.model.checkpoint,
        reading=request.reading,
    )
    own = (hires.prompt, hires.negative_prompt) if hires else ("", "")
    sides = (("Prompt", prompt.positive, own[0]), ("Negative prompt", prompt.negative, own[1]))
    for title, text, apart in sides:
        asked = first.model_copy(update={"prompt": text, "negative": title != "Prompt"})
        if text:
            yield title, asked.model_copy(update={"hires_steps": None}) if apart else asked
        if apart:
            yield f"{HIRES} {title.lower()}", asked.model_copy(update={"prompt": apart})


Look = Callable[[Sequence[str]], Offer]
"""From texts to the embeddings that they may name."""


def no_embeddings(_texts: Sequence[str]) -> Offer:
    """None at all."""
    return NOTHING


def explain(tokenizer: PromptTokenizer, asked: Asked, look: Look = no_embeddings) -> Explanation:
    """Read a prompt as painting does, and tell all of it.

    Raises TooLarge for what no prompt is.
    """
    passes = _read(asked)
    desk = _Desk(tokenizer, asked.reading, passes, look)
    notices = (*doubts(asked.prompt, asked.negative, passes, asked.spans(), desk.layouts),)
    parts, *hires = [
        tuple(desk.part(part, span.calls) for part in spoken)
        for spoken, span in zip(passes, asked.spans(), strict=True)
    ]
    networks = _networks(asked)
    return Explanation(
        unit="step" if asked.counts_steps else "call",
        parts=parts,
        hires=tuple(chain.from_iterable(hires)),
        networks=tuple(_network(tag) for tag in networks),
        notices=(*notices, *desk.told()),
        used=max(layout.used for layout in desk.layouts.values()),
        room=max(layout.room for layout in desk.layouts.values()),
    )


def longest(
    tokenizer: PromptTokenizer, asked: Asked, look: Look = no_embeddings
) -> tuple[int, int]:
    """Tokens and room of the longest text that a prompt says, for the counter."""
    layouts = _Desk(tokenizer, asked.reading, _read(asked), look).layouts.values()
    return max(one.used for one in layouts), max(one.room for one in layouts)


def calls_per_step(sampler: str) -> int:
    """How often a sampler calls the network for each step, as schedules of prompts count."""
    return 2 if sampler in SECOND_ORDER else 1


Passes = tuple[tuple[SpokenPart, ...], ...]


def _read(asked: Asked) -> Passes:
    return tuple(word(asked.prompt, span, asked.negative).parts for span in asked.spans())


def _networks(asked: Asked) -> tuple[NetworkTag, ...]:
    return word(asked.prompt, Span(1), asked.negative).networks


def _network(tag: NetworkTag) -> NetworkView:
    return NetworkView(
        kind=tag.kind, name=tag.name, te=tag.te, unet=tag.unet, dyn=tag.dyn, fault=tag.fault
    )


class _Desk:
    """Lays every text out once."""

    def __init__(
        self, tokenizer: PromptTokenizer, reading: Reading, passes: Passes, look: Look
    ) -> None:
        self._tokenizer = tokenizer
        self._reading = reading
        texts = dict.fromkeys(
            text for parts in passes for part in parts for _, text in part.segments
        )
        if sum(map(len, texts)) > MOST_LETTERS:
            raise TooLarge("prompt.positive", "The prompt says too many things to show them all.")
        self._offer = look(tuple(texts))
        triggers = self._offer.triggers(tokenizer)
        self._counts = {name: v.count for name, (_, v) in self._offer.fitting.items()}
        self.layouts: dict[str, Layout] = {
            text: tokenizer.lay_out(text, reading, triggers) for text in texts
        }

    def told(self) -> list[str]:
        """Sentences about embeddings that the texts name but that stay text."""
        return self._offer.told(self._tokenizer, self.layouts, self._reading)

    def part(self, part: SpokenPart, calls: int) -> PartView:
        texts = dict.fromkeys(text for _, text in part.segments)
        numbers = {text: number for number, text in enumerate(texts)}
        return PartView(
            text=part.text,
            weight=part.weight,
            texts=tuple(self._text(text) for text in numbers),
            schedule=tuple(_stretches(part, calls, numbers)),
        )

    def _text(self, text: str) -> TextView:
        chunks = (self._chunk(chunk) for chunk in self.layouts[text].chunks)
        return TextView(text=text, chunks=tuple(chunks))

    def _chunk(self, chunk: Chunk) -> ChunkView:
        own = slice(1, 1 + chunk.used)
        ids, weights = chunk.ids[own], chunk.weights[own]
        spelled = self._tokenizer.spell(ids)
        views = [
            TokenView(id=i, text=t, weight=w) for i, t, w in zip(ids, spelled, weights, strict=True)
        ]
        for place, name in chunk.learned:
            for at in range(place - 1, min(place - 1 + self._counts[name], len(views))):
                said = {"text": f"{name} ", "embedding": name}
                views[at] = views[at].model_copy(update=said)
        return ChunkView(tokens=tuple(views))


def _stretches(part: SpokenPart, calls: int, numbers: dict[str, int]) -> Iterable[StretchView]:
    """The calls that each text serves, equal neighbours joined, counted from 1."""
    first = 1
    said = part.segments
    for (end, text), (_, following) in zip(said, [*said[1:], (0, None)], strict=True):
        last = min(end + 1, calls)
        if following == text and last < calls:
            continue
        if first <= last:
            yield StretchView(first=first, last=last, text=numbers[text])
        first = last + 1
