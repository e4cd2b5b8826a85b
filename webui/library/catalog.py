"""The checkpoints below the models folder, by every name that people use for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from webui.contract.events import Word
from webui.contract.vocabulary import nearest
from webui.errors import NotFound, Unavailable
from webui.library.hashes import HashCache
from webui.library.identify import Identity
from webui.library.scan import Scanner, folders_below

STARTER = "starter"
VAE_ENDINGS = (".vae.safetensors",)
FOLDERS = ("Stable-diffusion", "checkpoints")
OTHER_KINDS = frozenset(
    ("vae", "lora", "lycoris", "embeddings", "esrgan", "realesrgan", "controlnet", "vae-approx")
)


@dataclass(frozen=True)
class ModelFile:
    """A checkpoint on disk: a single file or a folder in diffusers layout.

    `name` is its path below the models folder with forward slashes, `weights` the file that its
    hash is taken from, `sha256` None until it was hashed once. `identity` is what a single file's
    header says, of kind "unknown" where it cannot be read; None for a folder.
    """

    name: str
    path: Path
    layout: Literal["diffusers", "single_file"]
    weights: Path
    sha256: str | None = None
    identity: Identity | None = None

    @property
    def stem(self) -> str:
        """The name without folder and extension."""
        base = self.name.rsplit("/", 1)[-1]
        return base.removesuffix(".safetensors")

    @property
    def title(self) -> str:
        """The name that lists show: with the short hash once that is known."""
        return f"{self.name} [{self.sha256[:10]}]" if self.sha256 else self.name

    @property
    def aliases(self) -> tuple[str, ...]:
        """Every other name that finds it."""
        hashes = (self.sha256, self.sha256[:10]) if self.sha256 else ()
        flat = self.name.removesuffix(".safetensors").replace("/", "_")
        return tuple(dict.fromkeys((self.title, self.stem, flat, self.path.name, *hashes)))


class Catalog:
    """What the models folders hold now; every question looks at the disk.

    The first of `folders` is the user's; where two hold the same name, the earlier folder wins.
    A single file that is plainly something else than a checkpoint is left out wherever it lies.
    """

    def __init__(self, folders: Sequence[Path], hashes: HashCache) -> None:
        self.folders = tuple(dict.fromkeys(folder.resolve() for folder in folders))
        self.hashes = hashes
        self._scanner = Scanner()

    def checkpoints(self) -> tuple[ModelFile, ...]:
        """All checkpoints by name, the starter model last."""
        found: dict[str, ModelFile] = {}
        for root in self.folders:
            for file in self._scan(root):
                found.setdefault(file.name, file)
        return tuple(sorted(found.values(), key=lambda f: (f.name == STARTER, f.name.casefold())))

    def resolve(self, name: str, field: str = "model.checkpoint") -> ModelFile:
        """The checkpoint called `name`; the starter, or the first there is, for an empty name.

        Raises NotFound with the nearest names, Unavailable where there is no checkpoint at all.
        """
        files = self.checkpoints()
        if not name and files:
            return next((f for f in files if f.name == STARTER), files[0])
        wanted = name.casefold()
        named = [f for f in files if f.name.casefold() == wanted]
        known_as = [f for f in files if any(a.casefold() == wanted for a in f.aliases)]
        if named or known_as:
            return (named or known_as)[0]
        if not name:
            raise Unavailable(
                f"There is no checkpoint yet: put a .safetensors file or a diffusers folder into "
                f"{self.folders[0]}."
            )
        raise NotFound("checkpoint", name, nearest([f.name for f in files], name), field)

    def words(self) -> tuple[Word, ...]:
        """The checkpoints as words for the page and the API."""
        return tuple(Word(id=f.name, label=f.title, aliases=f.aliases) for f in self.checkpoints())

    def _scan(self, root: Path) -> Iterator[ModelFile]:
        for here, subfolders, files in folders_below(root, _may_hold_checkpoints):
            if (here / "model_index.json").is_file():
                subfolders.clear()
                yield self._diffusers(root, here)
                continue
            for name in sorted(files):
                if name.endswith(".safetensors") and not name.endswith(VAE_ENDINGS):
                    yield from self._file(root, here / name)

    def _diffusers(self, root: Path, folder: Path) -> ModelFile:
        networks = sorted(folder.glob("unet/*.safetensors")) or sorted(
            folder.glob("transformer/*.safetensors")
        )
        weights = networks[0] if networks else folder / "model_index.json"
        return ModelFile(
            _name(root, folder), folder, "diffusers", weights, self.hashes.known(weights)
        )

    def _file(self, root: Path, path: Path) -> Iterator[ModelFile]:
        finding = self._scanner.look(path)
        if finding is not None and finding.identity.kind in ("checkpoint", "unknown"):
            sha256 = self.hashes.known(path)
            yield ModelFile(_name(root, path), path, "single_file", path, sha256, finding.identity)


def _may_hold_checkpoints(folder: str) -> bool:
    return folder.casefold() not in OTHER_KINDS


def _name(root: Path, path: Path) -> str:
    relative = path.relative_to(root).as_posix()
    for folder in FOLDERS:
        relative = relative.removeprefix(f"{folder}/")
    return relative
