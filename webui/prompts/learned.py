"""Embeddings that prompts name: which of them stand in a text, and which cannot be used there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from webui.contract.request import Reading
from webui.library.embeddings import EmbeddingCatalog, EmbeddingFile, Vectors, mentioned
from webui.prompts.layout import NO_TRIGGERS, Triggers
from webui.prompts.tokens import PromptTokenizer


@dataclass(frozen=True)
class Offer:
    """The embeddings that some texts may mean.

    Attributes:
        fitting: those whose vectors fit the model, by name.
        others: why the others stay text, a sentence by name.
    """

    fitting: Mapping[str, tuple[EmbeddingFile, Vectors]] = field(
        default_factory=dict[str, tuple[EmbeddingFile, Vectors]]
    )
    others: Mapping[str, str] = field(default_factory=dict[str, str])

    def triggers(self, tokenizer: PromptTokenizer) -> Triggers:
        """What tells the fitting ones in a prompt."""
        if not self.fitting:
            return NO_TRIGGERS
        return tokenizer.triggers({name: v.count for name, (_, v) in self.fitting.items()})

    def told(self, tokenizer: PromptTokenizer, texts: Iterable[str], reading: Reading) -> list[str]:
        """The sentences about those others that really stand in one of the texts."""
        if not self.others:
            return []
        names = named(tokenizer, texts, reading, tokenizer.triggers(dict.fromkeys(self.others, 1)))
        return [self.others[name] for name in names]


NOTHING = Offer()


def offer(
    catalog: EmbeddingCatalog,
    bundled: Sequence[EmbeddingFile],
    texts: Sequence[str],
    encoders: Mapping[str, int],
    title: str,
) -> Offer:
    """What of `catalog` and of words `bundled` with LoRA files the `texts` may mean.

    `encoders` are the text encoders of CLIP's kind by folder, with their width; `title` is what
    people call the model. A word of a LoRA in force wins over a file of its name.
    """
    fitting: dict[str, tuple[EmbeddingFile, Vectors]] = {}
    others = dict(catalog.unread(texts))
    for file in mentioned((*catalog.files(), *bundled), texts):
        vectors = catalog.vectors(file)
        if vectors is not None and vectors.fit(encoders):
            fitting[file.name] = file, vectors
        else:
            others[file.name] = file.misfit(vectors, title)
    known = {name.casefold() for name in fitting}
    others = {name: why for name, why in others.items() if name.casefold() not in known}
    return Offer(fitting, others)


def named(
    tokenizer: PromptTokenizer, texts: Iterable[str], reading: Reading, triggers: Triggers
) -> tuple[str, ...]:
    """The names that stand in `texts`, in their order."""
    found: dict[str, None] = {}
    for text in texts:
        for chunk in tokenizer.lay_out(text, reading, triggers).chunks:
            found.update(dict.fromkeys(name for _, name in chunk.learned))
    return tuple(found)
