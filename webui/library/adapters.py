"""LoRA files and their kin below the models folders, by the names that prompts call them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.contract.events import Word
from webui.errors import WebuiError
from webui.library.catalog import bare
from webui.library.hashes import HashCache
from webui.library.headers import read_header
from webui.library.identify import Kind
from webui.library.shelf import Holding, Shelf

KINDS: tuple[Kind, ...] = ("lora", "lycoris")
ALIAS = "ss_output_name"
"""The metadata key of the name that the trainer gave."""
TOLD_HASH = "sshs_model_hash"
"""That of the tensors' hash, as the trainer wrote it."""

HASH_DIGITS = 12
NO_ALIAS = frozenset(("", "none"))

Stamp = tuple[str, int, int]


@dataclass(frozen=True)
class AdapterFile:
    """A LoRA or a relative of it; `name` is the file's name without its ending.

    `family` is that of the networks which it changes, "" where its header cannot tell.
    """

    name: str
    path: Path
    alias: str = ""
    family: str = ""
    told_hash: str = ""

    @property
    def stamp(self) -> Stamp:
        """Path, size and time: what changes when the file is replaced."""
        status = self.path.stat()
        return (str(self.path), status.st_size, status.st_mtime_ns)

    def metadata(self) -> dict[str, str]:
        """What the trainer wrote into the header; nothing where the file is broken or gone."""
        try:
            return dict(read_header(self.path).metadata)
        except WebuiError:
            return {}


class AdapterCatalog:
    """The LoRA files in the models folders and in models of theirs, as often as `shelf` looks.

    What is trained as one counts in any folder; what cannot be told by its header counts in the
    folders Lora and LyCORIS. Where two files have one name, that of the earlier folder wins.
    """

    def __init__(
        self, folders: Sequence[Path], hashes: HashCache, shelf: Shelf | None = None
    ) -> None:
        self._shelf = shelf or Shelf(folders)
        self._hashes = hashes
        self._files: tuple[int, dict[str, AdapterFile]] = (-1, {})
        self._words: tuple[tuple[int, str], tuple[Word, ...]] = ((-1, ""), ())

    def files(self) -> tuple[AdapterFile, ...]:
        """Every file by name, with its alias."""
        return tuple(self._named().values())

    def find(self, name: str) -> AdapterFile | None:
        """The file called `name`, or the only one with that alias."""
        found = self._find(name)
        if found is None and name:
            self._shelf.refresh()  # perhaps it has just been put there
            found = self._find(name)
        return found

    def short_hash(self, file: AdapterFile) -> str:
        """The first twelve of the tensors' hash, computed once, as infotext has it."""
        return self._hashes.tensors_sha256(file.path)[:HASH_DIGITS]

    def words(self) -> tuple[Word, ...]:
        """The files as words; hashes are among the aliases once they are known."""
        files = self.files()
        state = self._files[0], self._hashes.version()
        if self._words[0] != state:
            words = (
                Word(id=file.name, label=file.name, aliases=self._spellings(file)) for file in files
            )
            self._words = state, tuple(words)
        return self._words[1]

    def _find(self, name: str) -> AdapterFile | None:
        named, wanted = self._named(), name.casefold()
        if wanted in named:
            return named[wanted]
        if wanted in NO_ALIAS:
            return None
        known = [file for file in named.values() if file.alias.casefold() == wanted]
        return known[0] if len(known) == 1 else None

    def _spellings(self, file: AdapterFile) -> tuple[str, ...]:
        known = self._hashes.known_tensors(file.path) or file.told_hash
        return tuple(filter(None, (file.alias, known[:HASH_DIGITS])))

    def _named(self) -> dict[str, AdapterFile]:
        held, version = self._shelf.state()
        if self._files[0] != version:
            found: dict[str, AdapterFile] = {}
            for holding in held:
                if holding.kind in KINDS:
                    file = _file(holding)
                    found.setdefault(file.name.casefold(), file)
            self._files = version, dict(sorted(found.items()))
        return self._files[1]


def _file(holding: Holding) -> AdapterFile:
    finding = holding.finding
    facts: Mapping[str, str] = finding.facts if finding is not None else {}
    return AdapterFile(
        name=bare(holding.path.name),
        path=holding.path,
        alias=facts.get(ALIAS, ""),
        family=finding.identity.family if finding is not None else "",
        told_hash=facts.get(TOLD_HASH, ""),
    )
