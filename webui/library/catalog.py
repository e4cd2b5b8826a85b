"""The models of every kind in the models folders, by every name that people use for them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from webui.contract.events import Word
from webui.contract.vocabulary import nearest
from webui.errors import NotFound, Unavailable
from webui.library.hashes import HashCache
from webui.library.identify import Identity, Kind
from webui.library.scan import ENDINGS
from webui.library.shelf import PAIRED_VAE, Holding, Shelf

STARTER = "starter"
TENSORS_DIGITS = 12
HASH_AT_END = re.compile(r"\s*\[[^\[\]]*\]\s*$")


@dataclass(frozen=True)
class ModelFile:
    """A model on disk: a single file or a folder in diffusers layout.

    `name` is its path below the models folder with forward slashes, `weights` the file that its
    hash is taken from, `sha256` None until it was hashed once, and so `tensors_sha256`, of what
    follows the header. `identity` is what a single file's header says, of kind "unknown" where it
    cannot be read; None for a folder. `facts` is what its trainer wrote, `problem` a sentence
    about a file that was refused, `old_hash` what oldest infotexts call it by.
    """

    name: str
    path: Path
    layout: Literal["diffusers", "single_file"]
    weights: Path
    sha256: str | None = None
    identity: Identity | None = None
    tensors_sha256: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    problem: str = ""
    old_hash: str = ""

    @property
    def stem(self) -> str:
        """The name without folder and extension."""
        return bare(self.name.rsplit("/", 1)[-1])

    @property
    def title(self) -> str:
        """The name that lists show: with the short hash once that is known."""
        return f"{self.name} [{self.sha256[:10]}]" if self.sha256 else self.name

    @property
    def aliases(self) -> tuple[str, ...]:
        """Every other name that finds it: parts of the name, and hashes old and new."""
        short = self.sha256[:10] if self.sha256 else ""
        hashed = [f"{name} [{h}]" for h in (short, self.old_hash) if h
                  for name in (self.name, self.path.name, self.stem)]  # fmt: skip
        told = self.facts.get("sshs_model_hash", "")
        tensors = (self.tensors_sha256 or "", told)
        flat = bare(self.name).replace("/", "_")
        names = (self.title, self.stem, flat, self.path.name, self.sha256 or "", short)
        more = (*(t[:TENSORS_DIGITS] for t in tensors), *tensors, self.old_hash)
        return tuple(dict.fromkeys(filter(None, (*names, *hashed, *more))))


class Catalog:
    """What the models folders hold now, as often as `shelf` looks at them.

    The first of `folders` is the user's; where two hold the same name of a kind, the earlier folder
    wins. A file counts as what its header says; where that cannot tell, as what its folder is for.
    """

    def __init__(
        self, folders: Sequence[Path], hashes: HashCache, shelf: Shelf | None = None
    ) -> None:
        self.shelf = shelf or Shelf(folders)
        self.folders = self.shelf.folders
        self.hashes = hashes
        self._known: dict[Kind, tuple[tuple[int, str], tuple[ModelFile, ...]]] = {}

    def checkpoints(self) -> tuple[ModelFile, ...]:
        """All checkpoints by name, the starter model last."""
        return self.files("checkpoint")

    def files(self, kind: Kind) -> tuple[ModelFile, ...]:
        """All models of `kind` by name, in any folder."""
        held, version = self.shelf.state()
        state = version, self.hashes.version()
        if kind not in self._known or self._known[kind][0] != state:
            found: dict[str, ModelFile] = {}
            for holding in held:
                if holding.kind == kind:
                    found.setdefault(holding.name, self._file(holding))
            files = sorted(found.values(), key=lambda f: (f.name == STARTER, f.name.casefold()))
            self._known[kind] = state, tuple(files)
        return self._known[kind][1]

    def find(self, kind: Kind, name: str) -> ModelFile | None:
        """The model of `kind` that is called `name`, by any of its names; None where none is."""
        found = _named(self.files(kind), name)
        if found is None:
            self.shelf.refresh()  # perhaps it has just been put there
            found = _named(self.files(kind), name)
        return found

    def resolve(self, name: str, field: str = "model.checkpoint") -> ModelFile:
        """The checkpoint called `name`; the starter, or the first there is, for an empty name.

        A name that nothing has finds the shortest title that it is part of, as in the older UI.
        Raises NotFound with the nearest names, Unavailable where there is no checkpoint at all.
        """
        files = self.checkpoints()
        if not name and files:
            return next((f for f in files if f.name == STARTER), files[0])
        found = self.find("checkpoint", name) if name else None
        if found is None and name:
            found = _loosely(files, name) or _loosely(files, HASH_AT_END.sub("", name))
        if found is not None:
            return found
        if not name:
            raise Unavailable(
                f"There is no checkpoint yet: put a .safetensors file or a diffusers folder into "
                f"{self.folders[0]}."
            )
        raise NotFound("checkpoint", name, nearest([f.name for f in files], name), field)

    def paired_vae(self, checkpoint: ModelFile) -> ModelFile | None:
        """The autoencoder that lies beside a checkpoint, or among the VAEs, under its name."""
        named = [
            v for v in self.files("vae") if vae_stem(v).casefold() == checkpoint.stem.casefold()
        ]
        beside = [v for v in named if v.path.parent == checkpoint.path.parent]
        return next(iter((*beside, *named)), None)

    def words(self) -> tuple[Word, ...]:
        """The checkpoints as words for the page and the API."""
        return self.words_of("checkpoint")

    def words_of(self, kind: Kind) -> tuple[Word, ...]:
        """The models of `kind` as words."""
        return tuple(Word(id=f.name, label=f.title, aliases=f.aliases) for f in self.files(kind))

    def _file(self, holding: Holding) -> ModelFile:
        finding = holding.finding
        if finding is None:
            weights = _network(holding.path)
            known = self.hashes.known(weights)
            return ModelFile(holding.name, holding.path, "diffusers", weights, known)
        path = holding.path
        return ModelFile(
            name=holding.name,
            path=path,
            layout="single_file",
            weights=path,
            sha256=self.hashes.known(path),
            identity=finding.identity,
            tensors_sha256=self.hashes.known_tensors(path),
            facts=finding.facts,
            problem=finding.problem,
            old_hash=finding.old_hash,
        )


def bare(name: str) -> str:
    """A file's name without the ending of a model."""
    ending = next((e for e in ENDINGS if name.casefold().endswith(e)), "")
    return name[: len(name) - len(ending)]


def vae_stem(vae: ModelFile) -> str:
    """The checkpoint that an autoencoder's file is named for."""
    name = vae.path.name
    paired = name.casefold().endswith(PAIRED_VAE)
    return name[: -len(PAIRED_VAE)] if paired else vae.stem


def _network(folder: Path) -> Path:
    networks = sorted(folder.glob("unet/*.safetensors")) or sorted(
        folder.glob("transformer/*.safetensors")
    )
    return networks[0] if networks else folder / "model_index.json"


def _named(files: Iterable[ModelFile], name: str) -> ModelFile | None:
    """The file with this name; otherwise the first that has it among its aliases."""
    wanted, known = name.casefold(), None
    for file in files:
        if file.name.casefold() == wanted:
            return file
        if known is None and any(alias.casefold() == wanted for alias in file.aliases):
            known = file
    return known


def _loosely(files: Iterable[ModelFile], name: str) -> ModelFile | None:
    wanted = name.strip().casefold()
    inside = [file for file in files if wanted and wanted in file.title.casefold()]
    return min(inside, key=lambda file: len(file.title), default=None)
