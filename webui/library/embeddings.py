"""Textual-inversion embeddings: words that stand for learned vectors, found by their files' names.

An embedding has vectors for one text encoder, or for both of SDXL and its kin. Only headers are
read here.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from webui.contract.events import Word
from webui.errors import WebuiError
from webui.library.catalog import bare
from webui.library.entries import TensorInfo
from webui.library.hashes import HashCache
from webui.library.headers import read_header
from webui.library.shelf import Shelf
from webui.library.strays import find_strays

HASH_DIGITS = 12
ONLY = ""
"""The role of vectors that are for a model's only text encoder of CLIP's kind."""
ROLES = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
"""What the vectors for each text encoder are called in files that have them for both."""
BUNDLED = "bundle_emb."
"""What the names of an embedding start with that comes inside a LoRA file."""
WIDEST = 2

FAMILIES: Mapping[tuple[int, ...], str] = {
    (768,): "Stable Diffusion 1.x",
    (1024,): "Stable Diffusion 2.x",
    (1280,): "one text encoder of SDXL",
    (768, 1280): "SDXL",
}

_BLANK = re.compile(r"[\s\\]+")


@dataclass(frozen=True)
class Vectors:
    """Where a file has the vectors of one word.

    Attributes:
        keys: the tensor's name by the role of its text encoder.
        widths: how wide its vectors are, by role.
        count: how many tokens the word takes.
    """

    keys: Mapping[str, str]
    widths: Mapping[str, int]
    count: int

    def fit(self, encoders: Mapping[str, int]) -> Mapping[str, str]:
        """The tensor for each text encoder of CLIP's kind; nothing where one would lack its own.

        `encoders` are those of a model by folder, with the widths of their vectors.
        """
        if ONLY in self.keys:
            roles = dict.fromkeys(encoders, ONLY) if len(encoders) == 1 else {}
        elif list(encoders) == ["text_encoder"]:
            roles = {}  # half a pair would mean something else
        else:
            roles = {folder: ROLES.get(folder, ONLY) for folder in encoders}
        if any(self.widths.get(role) != encoders[folder] for folder, role in roles.items()):
            return {}
        return {folder: self.keys[role] for folder, role in roles.items()}

    @property
    def purpose(self) -> str:
        """The models that it was made for, in words."""
        widths = tuple(sorted(self.widths.values()))
        return FAMILIES.get(widths) or f"text encoders {' and '.join(map(str, widths))} wide"

    @property
    def shape(self) -> int:
        """The widths of all its vectors, as the older UI adds them up."""
        return sum(self.widths.values())


def find_vectors(tensors: Mapping[str, TensorInfo], prefix: str = "") -> Vectors | None:
    """Where among `tensors` those below `prefix` are a word's vectors; None where they are not."""
    names = [name for name in tensors if name.startswith(prefix)]
    roles = {role: prefix + role for role in ROLES.values() if prefix + role in tensors}
    if not roles:
        plain = f"{prefix}emb_params"
        if plain not in tensors and len(names) != 1:
            return None
        roles = {ONLY: plain if plain in tensors else names[0]}
    shapes = {role: tensors[key].shape for role, key in roles.items()}
    counts = {shape[0] if len(shape) == WIDEST else 1 for shape in shapes.values()}
    if len(counts) != 1 or not all(1 <= len(s) <= WIDEST and min(s) > 0 for s in shapes.values()):
        return None
    return Vectors(roles, {role: shape[-1] for role, shape in shapes.items()}, counts.pop())


def bundled_vectors(tensors: Mapping[str, TensorInfo]) -> dict[str, Vectors]:
    """The words that come inside a LoRA file, by name."""
    inside = dict.fromkeys(
        name.split(".", 2)[1]
        for name in tensors
        if name.startswith(BUNDLED) and name.count(".") > 1
    )
    found = {name: find_vectors(tensors, f"{BUNDLED}{name}.") for name in inside}
    return {name: vectors for name, vectors in found.items() if vectors is not None}


@dataclass(frozen=True)
class EmbeddingFile:
    """A word that stands for vectors, and the file that has them.

    Attributes:
        name: the word, which is the file's name without its ending.
        path: the file; a LoRA for words that come inside one.
        bundled: whether it does.
    """

    name: str
    path: Path
    bundled: bool = False

    @property
    def stamp(self) -> tuple[str, str, int, int]:
        """Word, path, size and time: what changes when the file is replaced."""
        status = self.path.stat()
        return (self.name, str(self.path), status.st_size, status.st_mtime_ns)

    def misfit(self, vectors: Vectors | None, title: str) -> str:
        """Why the word stays text in the model called `title`."""
        if vectors is None:
            return (
                f"{self.path.name} holds no embedding that can be read: {self.name!r} stays text."
            )
        return (
            f"The embedding {self.path.name} is made for {vectors.purpose} and does not fit "
            f"{title}: {self.name!r} stays text."
        )


def squeezed(text: str) -> str:
    """A text without what does not count when names are looked for: blanks, case, backslashes."""
    return _BLANK.sub("", unicodedata.normalize("NFC", text)).lower()


def mentioned(files: Iterable[EmbeddingFile], texts: Iterable[str]) -> tuple[EmbeddingFile, ...]:
    """The files whose names occur in `texts`, perhaps within other words."""
    said = "\n".join(map(squeezed, texts))
    return tuple(file for file in files if squeezed(file.name) in said)


def bundled_files(lora: Path) -> tuple[EmbeddingFile, ...]:
    """The words that come inside a LoRA file; none where it cannot be read."""
    try:
        names = bundled_vectors(read_header(lora).tensors)
    except WebuiError:
        return ()
    return tuple(EmbeddingFile(name, lora, bundled=True) for name in names)


class EmbeddingCatalog:
    """The embeddings in the models folders, as often as `shelf` looks."""

    def __init__(self, shelf: Shelf, hashes: HashCache) -> None:
        self._shelf = shelf
        self._hashes = hashes
        self._files: tuple[int, tuple[EmbeddingFile, ...]] = (-1, ())
        self._known: dict[tuple[str, str, int, int], Vectors | None] = {}

    def files(self) -> tuple[EmbeddingFile, ...]:
        """Every file by name; of two with one name, that of the earlier folder."""
        held, version = self._shelf.state()
        if self._files[0] != version:
            found: dict[str, EmbeddingFile] = {}
            for holding in held:
                if holding.kind == "embedding":
                    file = EmbeddingFile(bare(holding.path.name), holding.path)
                    found.setdefault(file.name.casefold(), file)
            self._files = version, tuple(file for _, file in sorted(found.items()))
        return self._files[1]

    def vectors(self, file: EmbeddingFile) -> Vectors | None:
        """Where a file has its vectors; None where there are none or it cannot be read."""
        try:
            stamp = file.stamp
            if stamp not in self._known:
                tensors = read_header(file.path).tensors
                prefix = f"{BUNDLED}{file.name}." if file.bundled else ""
                self._known[stamp] = find_vectors(tensors, prefix)
            return self._known[stamp]
        except (WebuiError, OSError):
            return None

    def short_hash(self, file: EmbeddingFile) -> str:
        """The first twelve of the file's hash, as infotext has it; "" for bundled words."""
        return "" if file.bundled else self._hashes.sha256(file.path)[:HASH_DIGITS]

    def words(self) -> tuple[Word, ...]:
        """The embeddings as words; hashes are among the aliases once they are known."""
        return tuple(
            Word(id=file.name, label=file.name, aliases=self._spellings(file))
            for file in self.files()
        )

    def unread(self, texts: Iterable[str]) -> dict[str, str]:
        """Words of `texts` that are names of files which cannot be read, with a sentence each."""
        taken = {file.name.casefold() for file in self.files()}
        strays = {
            name: sentence
            for name, sentence in find_strays(self._shelf.folders).items()
            if name.casefold() not in taken
        }
        named = mentioned([EmbeddingFile(name, Path(name)) for name in strays], texts)
        return {file.name: strays[file.name] for file in named}

    def _spellings(self, file: EmbeddingFile) -> tuple[str, ...]:
        known = self._hashes.known(file.path)
        return (known[:HASH_DIGITS],) if known else ()
