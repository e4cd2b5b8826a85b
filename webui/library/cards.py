"""Cards: models as people look for them, with previews, words, notes, tags and favourites.

What a person writes on a card, and the picture chosen for it, are kept in the data folder; files
beside models are only read.
"""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, ValidationError

from webui.contract.fields import Frozen, Text
from webui.errors import NotFound, StorageError
from webui.library.catalog import bare
from webui.library.identify import Kind
from webui.library.portraits import Portraits
from webui.library.shelf import Holding, Shelf
from webui.library.sidecars import Told, preview_beside, read_sidecars
from webui.library.training import TrainingTag, training_tags

log = logging.getLogger(__name__)

Deck = Literal["checkpoint", "lora", "embedding"]
DECK_OF: Mapping[Kind, Deck] = {
    "checkpoint": "checkpoint",
    "lora": "lora",
    "lycoris": "lora",
    "embedding": "embedding",
}
Sort = Literal["name", "newest", "size"]
Short = Annotated[str, Field(max_length=4000)]


class Notes(Frozen):
    """What a person wrote on a card; what is None is as the files beside the model say."""

    favourite: bool = False
    notes: Short | None = None
    activation: Short | None = None
    negative: Short | None = None
    weight: Annotated[float, Field(ge=-10, le=10)] | None = None
    tags: tuple[Annotated[str, Field(max_length=100)], ...] | None = None


class Card(Frozen):
    """A model on its card; `insert` is what a click writes into the prompt.

    `portrait` is when the picture that a person chose was made, 0 without one.
    """

    id: str
    deck: Deck
    kind: Kind
    name: str
    folder: str
    family: str
    base: str = ""
    alias: str = ""
    description: Text = ""
    notes: Text = ""
    activation: Text = ""
    negative: Text = ""
    weight: float = 0.0
    tags: tuple[str, ...] = ()
    favourite: bool = False
    preview: bool = False
    portrait: int = 0
    insert: str = ""
    problem: str = ""
    size: int = 0
    modified: int = 0

    def says(self, words: Sequence[str]) -> bool:
        """Whether every one of `words`, in small letters, stands somewhere on it."""
        text = "\n".join(
            (self.folder, self.name, self.alias, self.base, self.family, self.description,
             self.notes, self.activation, *self.tags)
        ).casefold()  # fmt: skip
        return all(word in text for word in words)


SORTS: Mapping[Sort, Callable[[Card], Any]] = {
    "name": lambda card: (not card.favourite, card.name.casefold()),
    "newest": lambda card: -card.modified,
    "size": lambda card: -card.size,
}


class Page(Frozen):
    """Some cards of all that were found, and what a search can be narrowed by."""

    cards: tuple[Card, ...]
    total: int
    families: tuple[str, ...]
    folders: tuple[str, ...]


class CardBook:
    """The cards of the models on `shelf`; `path` is the JSON file with what people wrote.

    The pictures that they chose lie beside it, in a folder of its name.
    """

    def __init__(self, shelf: Shelf, path: Path) -> None:
        self._shelf = shelf
        self._path = path
        self._lock = threading.RLock()
        self._portraits = Portraits(path.with_suffix(""))
        self._notes: dict[str, Notes] | None = None
        self._made: tuple[int, dict[str, tuple[Card, Holding]]] = (-1, {})

    def search(
        self,
        deck: Deck,
        text: str = "",
        family: str = "",
        folder: str = "",
        favourites: bool = False,
        sort: Sort = "name",
        first: int = 0,
        count: int = 60,
    ) -> Page:
        """The cards of a deck on which every word of `text` stands."""
        mine = [card for card, _ in self._all().values() if card.deck == deck]
        words = text.casefold().split()
        found = [
            card
            for card in mine
            if (not family or card.family == family)
            and (not folder or f"{card.folder}/".startswith(f"{folder}/"))
            and (card.favourite or not favourites)
            and card.says(words)
        ]
        found.sort(key=SORTS[sort])
        return Page(
            cards=tuple(found[first : first + count]),
            total=len(found),
            families=tuple(sorted({card.family for card in mine if card.family})),
            folders=tuple(sorted({card.folder for card in mine if card.folder})),
        )

    def card(self, id: str) -> Card:
        """One card; raises NotFound."""
        return self._find(id)[0]

    def preview(self, id: str) -> Path:
        """The picture chosen for a card, else that beside its model; raises NotFound."""
        card, holding = self._find(id)
        if card.portrait:
            return self._portraits.path(_key(card))
        found = preview_beside(holding.path.parent, bare(holding.path.name), holding.beside)
        if found is None:
            raise NotFound("preview picture", card.name)
        return found

    def write(self, id: str, notes: Notes) -> Card:
        """Keep what a person wrote; raises NotFound and StorageError."""
        with self._lock:
            card, holding = self._find(id)
            kept = {**self._written(), _key(card): notes}
            _save(self._path, kept)
            self._notes = kept
            return self._renew(card, holding)

    def portray(self, id: str, picture: bytes) -> Card:
        """Keep the bytes of a small WebP as a card's picture; raises NotFound and StorageError."""
        with self._lock:
            card, holding = self._find(id)
            self._portraits.put(_key(card), picture)
            return self._renew(card, holding)

    def unportray(self, id: str) -> Card:
        """Go back to the picture beside the model; raises NotFound and StorageError."""
        with self._lock:
            card, holding = self._find(id)
            self._portraits.drop(_key(card))
            return self._renew(card, holding)

    def trained_on(self, id: str) -> tuple[TrainingTag, ...]:
        """The commonest words of the pictures that a model was trained on; raises NotFound."""
        _, holding = self._find(id)
        return () if holding.finding is None else training_tags(holding.path)

    def written(self, id: str) -> Notes:
        """What a person wrote on a card so far."""
        return self._written().get(_key(self.card(id)), Notes())

    def _renew(self, card: Card, holding: Holding) -> Card:
        """Make a card again and put it in its place."""
        fresh = self._make(card.deck, holding, self._portraits.marks())
        self._made[1][card.id] = fresh, holding
        return fresh

    def _make(self, deck: Deck, holding: Holding, portraits: Mapping[str, int]) -> Card:
        card = _make(deck, holding, self._written())
        mark = portraits.get(self._portraits.name(_key(card)), 0)
        return card.model_copy(update={"preview": True, "portrait": mark}) if mark else card

    def _find(self, id: str) -> tuple[Card, Holding]:
        found = self._all().get(id)
        if found is None:
            raise NotFound("card", id)
        return found

    def _all(self) -> dict[str, tuple[Card, Holding]]:
        with self._lock:
            held, version = self._shelf.state()
            if self._made[0] != version:
                made: dict[str, tuple[Card, Holding]] = {}
                portraits = self._portraits.marks()
                for holding in held:
                    deck = DECK_OF.get(holding.kind)
                    if deck is not None:
                        card = self._make(deck, holding, portraits)
                        made.setdefault(card.id, (card, holding))
                self._made = version, made
            return self._made[1]

    def _written(self) -> dict[str, Notes]:
        with self._lock:
            if self._notes is None:
                self._notes = _load(self._path)
            return self._notes


def _make(deck: Deck, holding: Holding, written: Mapping[str, Notes]) -> Card:
    folder, _, file = holding.name.rpartition("/")
    name = bare(file) if deck != "checkpoint" else holding.name
    stem = bare(holding.path.name)
    finding = holding.finding
    facts: Mapping[str, str] = finding.facts if finding is not None else {}
    told = read_sidecars(holding.path.parent, stem, holding.beside) if holding.beside else Told()
    notes = written.get(f"{deck}:{name.casefold()}", Notes())
    chosen = notes.model_dump(exclude_none=True, exclude={"favourite"})
    known: dict[str, Any] = {
        "notes": told.notes,
        "activation": told.activation or facts.get("modelspec.trigger_phrase", ""),
        "negative": told.negative,
        "weight": told.weight,
        "tags": told.tags,
        **chosen,
    }
    size, modified = _status(holding.path)
    return Card(
        id=hashlib.sha256(os.fsencode(holding.path)).hexdigest()[:20],
        deck=deck,
        kind=holding.kind,
        name=name,
        folder=folder,
        family=finding.identity.family if finding is not None else "",
        base=told.base or facts.get("ss_base_model_version", ""),
        alias=facts.get("ss_output_name") or facts.get("modelspec.title") or "",
        description=told.description,
        favourite=notes.favourite,
        preview=preview_beside(holding.path.parent, stem, holding.beside) is not None,
        insert=_insertion(deck, name, known),
        problem=finding.problem if finding is not None else "",
        size=size,
        modified=modified,
        **known,
    )


def _insertion(deck: Deck, name: str, known: Mapping[str, Any]) -> str:
    if deck == "checkpoint":
        return ""
    if deck == "embedding":
        return name
    tag = f"<lora:{name}:{known['weight'] or 1:g}>"
    return " ".join(filter(None, (tag, known["activation"])))


def _status(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # gone since it was listed
        return 0, 0
    return status.st_size, int(status.st_mtime)


def _key(card: Card) -> str:
    return f"{card.deck}:{card.name.casefold()}"


def _load(path: Path) -> dict[str, Notes]:
    try:
        loaded: Any = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    kept: dict[str, Notes] = {}
    for key, told in cast("dict[str, Any]", loaded if isinstance(loaded, dict) else {}).items():
        try:
            kept[key] = Notes.model_validate(told)
        except ValidationError as error:
            log.warning("the notes on %s are damaged and left out: %s", key, error)
    return kept


def _save(path: Path, kept: Mapping[str, Notes]) -> None:
    told = {
        key: notes.model_dump(mode="json", exclude_defaults=True) for key, notes in kept.items()
    }
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise StorageError("What you wrote on the card could not be kept.", str(error)) from error
