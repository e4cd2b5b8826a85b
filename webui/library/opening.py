"""The library over its folders, as the server, the worker and the command line open it."""

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from webui.library.adapters import AdapterCatalog
from webui.library.catalog import Catalog
from webui.library.folders import model_folders
from webui.library.hashes import HashCache
from webui.library.scan import Scanner
from webui.library.shelf import Shelf

HASHES, FINDINGS = "hashes.json", "model-files.json"
"""What is remembered of model files, in the data folder."""
PATIENCE = 2.0
"""Seconds between two looks at the folders; a name that nothing has is looked for at once."""


def open_library(
    folders: Iterable[Path], bundled: Path | None, data_dir: Path
) -> tuple[Catalog, AdapterCatalog]:
    """Both catalogs over one shelf: of `folders`, the user's own first, and the bundled one."""
    own, *more = folders
    places = model_folders(own, more, bundled)
    shelf = Shelf(places, Scanner(data_dir / FINDINGS), PATIENCE)
    hashes = HashCache(data_dir / HASHES)
    return Catalog(places, hashes, shelf), AdapterCatalog(places, hashes, shelf)


def copy_memory(data_dir: Path, scratch: Path) -> None:
    """Let a library over another data folder begin with what is remembered in `data_dir`."""
    for name in (HASHES, FINDINGS):
        with contextlib.suppress(OSError):
            shutil.copyfile(data_dir / name, scratch / name)
