"""Saved pieces of prompt in styles.csv, in the older UI's columns."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.contract.events import Word
from webui.contract.vocabulary import nearest
from webui.errors import NotFound, StorageError

PLACE = "{prompt}"
COLUMNS = ("name", "prompt", "negative_prompt")
COMMENT = "#"


@dataclass(frozen=True)
class Style:
    """A named piece of prompt; `{prompt}` inside it marks where the user's own words go."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


class StyleBook:
    """The styles in one file; every question looks at the disk, so edits count at once.

    Those in the files `more` are read too, and never written: a style of the own file wins.
    """

    def __init__(self, path: Path, more: Sequence[Path] = ()) -> None:
        self.path = path
        self._more = tuple(more)

    def styles(self) -> tuple[Style, ...]:
        """All styles in the files' order; a file that is not there holds none.

        Raises StorageError where a file is no such table.
        """
        found: dict[str, Style] = {}
        for path in (self.path, *self._more):
            for style in read_styles(path):
                found.setdefault(style.name, style)
        return tuple(found.values())

    def resolve(self, names: Iterable[str]) -> list[Style]:
        """The styles of these names; raises NotFound with the nearest names."""
        known = {style.name: style for style in self.styles()}
        chosen: list[Style] = []
        for name in names:
            if name not in known:
                raise NotFound("style", name, nearest(known, name), "prompt.styles")
            chosen.append(known[name])
        return chosen

    def merge(self, prompt: str, negative: str, names: Iterable[str]) -> tuple[str, str]:
        """Both prompts with the styles of these names worked in, in the order given."""
        styles = self.resolve(names)
        return (
            merged(prompt, [style.prompt for style in styles]),
            merged(negative, [style.negative_prompt for style in styles]),
        )

    def words(self) -> tuple[Word, ...]:
        """The styles as words for the page and the API."""
        return tuple(Word(id=style.name, label=style.name) for style in self.styles())

    def save(self, style: Style) -> None:
        """Add `style`, or put it in the place of the one with its name."""
        styles = {old.name: old for old in read_styles(self.path)} | {style.name: style}
        write_styles(self.path, tuple(styles.values()))

    def remove(self, name: str) -> None:
        """Take the style called `name` out of the own file; raises NotFound."""
        own = read_styles(self.path)
        if name not in {style.name for style in own}:
            raise NotFound("style", name, nearest([s.name for s in own], name), "prompt.styles")
        write_styles(self.path, [style for style in own if style.name != name])


def merged(prompt: str, pieces: Sequence[str]) -> str:
    """`prompt` with each piece worked in: around it where it says {prompt}, else after a comma."""
    for piece in pieces:
        if PLACE in piece:
            prompt = piece.replace(PLACE, prompt)
        else:
            prompt = ", ".join(part for part in (prompt.strip(), piece.strip()) if part)
    return prompt


def read_styles(path: Path) -> tuple[Style, ...]:
    """The styles in `path`; rows whose name starts with # are comments, a later name wins.

    The oldest files call the prompt column "text". Raises StorageError.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, str(error)) from error
    if rows and "name" not in rows[0]:
        raise _unreadable(path, f"its columns are {list(rows[0])}")
    styles: dict[str, Style] = {}
    for row in rows:
        name = row["name"] or ""
        if name and not name.startswith(COMMENT):
            prompt = row.get("prompt") or row.get("text") or ""
            styles[name] = Style(name, prompt, row.get("negative_prompt") or "")
    return tuple(styles.values())


def write_styles(path: Path, styles: Iterable[Style]) -> None:
    """Replace the file at once, with the former one kept beside it as `.bak`.

    A byte order mark makes spreadsheets read it as UTF-8. Raises StorageError.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    writer.writerows((style.name, style.prompt, style.negative_prompt) for style in styles)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(table.getvalue().encode("utf-8-sig"))
        if path.exists():
            path.with_name(f"{path.name}.bak").write_bytes(path.read_bytes())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        sentence = f"The styles could not be written to {path.name}."
        raise StorageError(sentence, str(error)) from error


def _unreadable(path: Path, seen: str) -> StorageError:
    return StorageError(
        f"{path.name} could not be read as a table of styles with the columns "
        f"{', '.join(COLUMNS)}.",
        seen,
    )
