"""How prompts are read: explanations and counters, by the tokenizer of the checkpoint in use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from webui.contract.events import Word
from webui.contract.request import GenerationRequest, Prompt
from webui.contract.vocabulary import resolve
from webui.library.adapters import AdapterCatalog
from webui.library.catalog import ModelFile
from webui.library.embeddings import EmbeddingCatalog, bundled_files
from webui.library.towers import clip_widths
from webui.library.vocabularies import read_clip_vocabulary, read_vocabulary
from webui.prompts.explanation import (
    HIRES,
    Asked,
    Explanation,
    Look,
    Titled,
    explain,
    longest,
    no_embeddings,
    questions,
)
from webui.prompts.learned import Offer, offer
from webui.prompts.syntax import cut_tags, strip_comments
from webui.prompts.tokens import PromptTokenizer

CLIP = ""
"""The key of CLIP's own vocabulary, which all models in single files share."""

Words = Callable[[], Mapping[str, tuple[Word, ...]]]


@dataclass(frozen=True)
class Learned:
    """Where embeddings are found: files of their own, and LoRA files that bring them along."""

    embeddings: EmbeddingCatalog
    adapters: AdapterCatalog


class PromptReader:
    """Reads prompts as the worker will, without a model; each tokenizer is built once.

    `checkpoint` finds a model file by its name ("": the default one), `say` works styles in,
    `learned` has the files of embeddings.
    """

    def __init__(
        self,
        checkpoint: Callable[[str], ModelFile],
        words: Words,
        say: Callable[[Prompt], Prompt] = lambda prompt: prompt,
        learned: Learned | None = None,
    ) -> None:
        self._checkpoint = checkpoint
        self._words = words
        self._say = say
        self._learned = learned
        self._known: dict[str, PromptTokenizer] = {}

    def explain(self, asked: Asked) -> Explanation:
        """How a prompt is read.

        Raises NotFound for an unknown checkpoint or sampler, UnsupportedModel or Unavailable
        without a vocabulary, TooLarge for what no prompt is.
        """
        return explain(self._tokenizer(asked.checkpoint), self._settled(asked), self._look(asked))

    def count(self, asked: Asked) -> tuple[int, int]:
        """Tokens that a prompt takes, and the room of its chunks; raises as `explain`."""
        return longest(self._tokenizer(asked.checkpoint), self._settled(asked), self._look(asked))

    def explain_request(self, request: GenerationRequest) -> tuple[Titled, ...]:
        """How all prompts of a request are read; raises as `explain`."""
        said = request.model_copy(update={"prompt": self._say(request.prompt)})
        told = [(title, self.explain(asked)) for title, asked in questions(said)]
        return tuple(
            Titled(title=title, explanation=one.second() if title.startswith(HIRES) else one)
            for title, one in told
        )

    def _settled(self, asked: Asked) -> Asked:
        samplers = self._words()["samplers"]
        named = {"sampler": asked.sampler, "hires_sampler": asked.hires_sampler}
        ids = {
            field: resolve("sampler", samplers, name, field).id
            for field, name in named.items()
            if name
        }
        return asked.model_copy(update=ids)

    def _look(self, asked: Asked) -> Look:
        """How embeddings are found for a prompt; LoRAs that it names may bring some along."""
        learned = self._learned
        if learned is None:
            return no_embeddings
        model = self._checkpoint(asked.checkpoint)
        tags = () if asked.negative else cut_tags(strip_comments(asked.prompt))[1]

        def look(texts: Sequence[str]) -> Offer:
            found = (learned.adapters.find(tag.name) for tag in tags if tag.kind == "lora")
            bundled = [word for file in found if file for word in bundled_files(file.path)]
            return offer(learned.embeddings, bundled, texts, clip_widths(model), model.stem)

        return look

    def _tokenizer(self, checkpoint: str) -> PromptTokenizer:
        folder = self._checkpoint(checkpoint).path / "tokenizer"
        own = folder.is_dir()
        key = str(folder) if own else CLIP
        if key not in self._known:
            vocabulary = read_vocabulary(folder) if own else read_clip_vocabulary()
            self._known[key] = PromptTokenizer(vocabulary)
        return self._known[key]
