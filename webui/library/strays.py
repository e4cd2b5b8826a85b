"""Files in folders of embeddings that are never read: pickles, and pictures with data in them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from webui.library.folders import place_of

PICKLES = (".pt", ".bin", ".pth", ".ckpt")
PICTURES = (".png", ".webp", ".jxl", ".avif")
PREVIEW = ".preview"
OTHERS = (".safetensors",)


def find_strays(folders: Sequence[Path]) -> dict[str, str]:
    """The words that such files would be called by, each with a sentence that says what to do.

    `folders` are models folders; only those of embeddings within them are looked into. A picture
    beside a model of its name is that one's preview.
    """
    found: dict[str, str] = {}
    for root in folders:
        for folder in _places(root):
            for path in _inside(folder):
                found.setdefault(path.stem, _sentence(path))
    return found


def _places(root: Path) -> Iterator[Path]:
    children = (child for child in (root, *_children(root)) if child.is_dir())
    yield from (child for child in children if place_of(root, child) == "embedding")


def _inside(folder: Path) -> Iterator[Path]:
    files = [path for path in _children(folder) if path.is_file()]
    models = {path.stem.casefold() for path in files if path.suffix.casefold() in OTHERS}
    pickles = [path for path in files if path.suffix.casefold() in PICKLES]
    yield from (path for path in pickles if path.stem.casefold() not in models)
    models |= {path.stem.casefold() for path in pickles}
    for path in files:
        picture = path.suffix.casefold() in PICTURES
        stem = path.stem.casefold()
        if picture and stem not in models and not stem.endswith(PREVIEW):
            yield path


def _children(folder: Path) -> Iterable[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return ()


def _sentence(path: Path) -> str:
    if path.suffix.casefold() in PICKLES:
        return (
            f"{path.name} is a pickle, which could run a program when it is opened, so "
            f"{path.stem!r} stays text; `models convert` makes a safetensors file of it."
        )
    return (
        f"{path.name} is a picture; embeddings inside pictures are not read, so {path.stem!r} "
        "stays text."
    )
