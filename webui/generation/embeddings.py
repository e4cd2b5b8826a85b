"""Embeddings that prompts name: found, read once, told where they cannot be used."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from webui.contract.request import Reading
from webui.generation.caches import Recent
from webui.library.embeddings import EmbeddingCatalog, EmbeddingFile, Vectors
from webui.library.vocabularies import BpeVocabulary
from webui.prompts.learned import named, offer
from webui.prompts.tokens import PromptTokenizer, tokenizer_for
from webui.weights.checkpoint import Checkpoint

KEPT = 32
"""How many embeddings stay in memory for the next items."""

CLIP = "CLIP"
"""What the kinds of text encoders start with that read embeddings."""

ByFolder = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Spoken:
    """What a prompt says by embeddings.

    Attributes:
        vectors: by text encoder's folder, the vectors (n, C) of each word.
        identity: tells it from what other files would say.
    """

    vectors: ByFolder = field(default_factory=dict[str, Mapping[str, Tensor]])
    identity: Hashable = ()


SILENT = Spoken()


class EmbeddingDesk:
    """Brings embeddings; those used last stay in memory."""

    def __init__(self, catalog: EmbeddingCatalog) -> None:
        self.catalog = catalog
        self._read = Recent[Mapping[str, Tensor]](KEPT)

    def read(self, file: EmbeddingFile, keys: Mapping[str, str]) -> Mapping[str, Tensor]:
        """The vectors (n, C) by text encoder's folder; `keys` are their names in the file.

        Raises OSError and SafetensorError.
        """

        def load() -> Mapping[str, Tensor]:
            opened: Any = safe_open(file.path, framework="pt", device="cpu")
            with opened as stream:
                found: dict[str, Tensor] = {f: stream.get_tensor(key) for f, key in keys.items()}
            return {f: tensor.reshape(-1, tensor.shape[-1]).float() for f, tensor in found.items()}

        return self._read.get((file.stamp, *keys.items()), load)


class Glossary:
    """The embeddings of one run; remembers the hashes of those that were used."""

    def __init__(self, desk: EmbeddingDesk, tell: Callable[[str], None]) -> None:
        self._desk = desk
        self._tell = tell
        self._used: dict[str, str] = {}

    @property
    def hashes(self) -> str:
        """The embeddings that were used with their hashes, as infotext has them."""
        return ", ".join(f"{name}: {short}" for name, short in self._used.items() if short)

    def look(
        self,
        checkpoint: Checkpoint,
        texts: Sequence[str],
        reading: Reading,
        bundled: Sequence[EmbeddingFile] = (),
    ) -> Spoken:
        """The embeddings that stand in `texts`, which the text encoders of `checkpoint` read.

        `bundled` are those that come with LoRA files in force.
        """
        tokenizer = _tokenizer(checkpoint)
        if tokenizer is None:
            return SILENT
        catalog, encoders = self._desk.catalog, widths_of(checkpoint)
        found = offer(catalog, bundled, texts, encoders, checkpoint.title)
        for sentence in found.told(tokenizer, texts, reading):
            self._tell(sentence)
        if not found.fitting:
            return SILENT
        vectors: dict[str, dict[str, Tensor]] = {folder: {} for folder in encoders}
        stamps: list[Hashable] = []
        for name in named(tokenizer, texts, reading, found.triggers(tokenizer)):
            file, where = found.fitting[name]
            if self._bring(file, where, encoders, vectors):
                stamps.append(file.stamp)
        return Spoken(vectors, tuple(stamps))

    def _bring(
        self,
        file: EmbeddingFile,
        where: Vectors,
        encoders: Mapping[str, int],
        vectors: Mapping[str, dict[str, Tensor]],
    ) -> bool:
        """Put a word's vectors among the others; False, said in a sentence, where it is gone."""
        try:
            for folder, tensor in self._desk.read(file, where.fit(encoders)).items():
                vectors[folder][file.name] = tensor
            self._used[file.name] = self._desk.catalog.short_hash(file)
        except (OSError, SafetensorError) as error:
            self._tell(f"The embedding {file.path.name} could not be read ({error}).")
            return False
        return True


def widths_of(checkpoint: Checkpoint) -> dict[str, int]:
    """The width of the word vectors of each text encoder of CLIP's kind, by its folder."""
    rows = zip(checkpoint.family.encoders, checkpoint.text_encoders, strict=True)
    return {
        kind.folder: module.get_parameter("embeddings.token_embedding.weight").shape[1]
        if hasattr(module, "embeddings")
        else module.get_parameter("text_model.embeddings.token_embedding.weight").shape[1]
        for kind, module in rows
        if kind.kind.startswith(CLIP)
    }


def _tokenizer(checkpoint: Checkpoint) -> PromptTokenizer | None:
    """That of the first text encoder of CLIP's kind: all of them cut words alike."""
    words = (one for one in checkpoint.vocabularies if isinstance(one, BpeVocabulary))
    first = next(words, None)
    return None if first is None else tokenizer_for(first)
