"""What lies beside a model and speaks of it: descriptions, words, weights, a preview picture.

Files of the older UI (`.json`, `.txt`, `.description.txt`) and of its helpers (`.civitai.info`) are
read and never changed; a download brings a new one along. What is damaged or too long counts as
not there.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

PREVIEWS = (".preview.png", ".preview.jpg", ".preview.jpeg", ".preview.webp", ".preview.avif",
            ".png", ".jpg", ".jpeg", ".webp", ".avif")  # fmt: skip
LARGEST = 1 << 20
LONGEST_TEXT = 4000
MOST_TAGS = 40
MARKUP = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Told:
    """What is told of a model; empty where nothing is."""

    description: str = ""
    notes: str = ""
    activation: str = ""
    negative: str = ""
    weight: float = 0.0
    base: str = ""
    tags: tuple[str, ...] = ()


def preview_beside(folder: Path, stem: str, names: Iterable[str]) -> Path | None:
    """The preview picture among `names` in `folder`; those named so come first."""
    known = {name.casefold(): name for name in names}
    found = (known.get(stem.casefold() + ending) for ending in PREVIEWS)
    return next((folder / name for name in found if name is not None), None)


def read_sidecars(folder: Path, stem: str, names: Iterable[str]) -> Told:
    """Everything that the files `names` in `folder` tell of the model with this stem."""
    known = {name.casefold()[len(stem) :]: folder / name for name in names}
    own = _object(known.get(".json"))
    other = _object(known.get(".civitai.info"))
    said = _text(known.get(".txt")) or _text(known.get(".description.txt"))
    model = other.get("model")
    about: Mapping[str, Any] = cast("dict[str, Any]", model) if isinstance(model, dict) else {}
    return Told(
        description=_plain(own.get("description")) or said or _plain(other.get("description")),
        notes=_plain(own.get("notes")),
        activation=_plain(own.get("activation text")) or ", ".join(_words(other, "trainedWords")),
        negative=_plain(own.get("negative text")),
        weight=_number(own.get("preferred weight")),
        base=_plain(own.get("sd version")) or _plain(other.get("baseModel")),
        tags=tuple(dict.fromkeys((*_words(other, "tags"), *_words(about, "tags")))),
    )


def _object(path: Path | None) -> Mapping[str, Any]:
    try:
        loaded = json.loads(_bytes(path).decode("utf-8-sig") or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}


def _text(path: Path | None) -> str:
    return _bytes(path).decode("utf-8-sig", errors="replace").strip()[:LONGEST_TEXT]


def _bytes(path: Path | None) -> bytes:
    try:
        if path is None or not path.is_file() or path.stat().st_size > LARGEST:
            return b""
        return path.read_bytes()
    except OSError:
        return b""


def _plain(value: Any) -> str:
    """A text without the markup that some sites put into it."""
    return MARKUP.sub("", value).strip()[:LONGEST_TEXT] if isinstance(value, str) else ""


def _words(told: Mapping[str, Any], name: str) -> list[str]:
    value = told.get(name)
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return [text for text in map(_plain, listed[:MOST_TAGS]) if text]


def _number(value: Any) -> float:
    try:
        number = float(value or 0)
    except (TypeError, ValueError):
        return 0.0
    return number if abs(number) <= 10 else 0.0
