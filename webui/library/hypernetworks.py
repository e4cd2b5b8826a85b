"""Hypernetworks in the folders of that name below the models folders."""

from pathlib import Path

from webui.library.adapters import AdapterFile
from webui.library.catalog import bare
from webui.library.shelf import Shelf
from webui.library.strays import PICKLES

FOLDER = "hypernetworks"


class HypernetworkCatalog:
    """The safetensors files that lie below a folder of hypernetworks, by name."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def files(self) -> tuple[AdapterFile, ...]:
        """Every file; of two with one name, that of the earlier folder."""
        found: dict[str, AdapterFile] = {}
        for holding in self._shelf.holdings():
            if holding.finding is not None and _is_below(holding.path, self._shelf.folders):
                file = AdapterFile(bare(holding.path.name), holding.path)
                found.setdefault(file.name.casefold(), file)
        return tuple(file for _, file in sorted(found.items()))

    def find(self, name: str) -> AdapterFile | None:
        """The file called `name`."""
        for again in (False, True):
            if again:
                self._shelf.refresh()  # perhaps it has just been put there
            found = [f for f in self.files() if f.name.casefold() == name.casefold()]
            if found:
                return found[0]
        return None

    def pickle(self, name: str) -> Path | None:
        """The file called `name` that must be converted first."""
        for root in self._shelf.folders:
            for ending in PICKLES:
                path = root / FOLDER / f"{name}{ending}"
                if Path(name).name == name and path.is_file():
                    return path
        return None


def _is_below(path: Path, folders: tuple[Path, ...]) -> bool:
    inside = next((path.relative_to(root) for root in folders if path.is_relative_to(root)), path)
    return FOLDER in (part.casefold() for part in inside.parts[:-1])
