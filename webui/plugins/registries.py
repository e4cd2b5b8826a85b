"""Registries: what built-in rooms and extensions have put on offer, by name."""

import re
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from webui.contract.events import Word
from webui.contract.vocabulary import nearest
from webui.errors import NotFound, PluginError
from webui.plugins.entries import Entry

E = TypeVar("E", bound=Entry)
NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")


class Registry(Generic[E]):
    """Entries of one kind, in the order of their arrival."""

    def __init__(self, kind: str, hook: str) -> None:
        self.kind = kind
        self.hook = hook
        self._entries: dict[str, E] = {}
        self._owners: dict[str, str] = {}

    def add(self, plugin: str, entries: Iterable[E]) -> None:
        """Take over a plugin's entries, all or none.

        Raises PluginError where an entry is malformed or its name or label is taken.
        """
        fresh: dict[str, E] = {}
        labels = {entry.label.casefold() for entry in self}
        for entry in entries:
            self._check(plugin, entry, labels, fresh)
            fresh[entry.name] = entry
            labels.add(entry.label.casefold())
        self._entries.update(fresh)
        self._owners.update(dict.fromkeys(fresh, plugin))

    def drop(self, plugin: str) -> None:
        """Forget every entry of a plugin."""
        for name in [n for n, owner in self._owners.items() if owner == plugin]:
            del self._entries[name], self._owners[name]

    def get(self, name: str, field: str = "") -> E:
        """The entry called `name`; raises NotFound with the nearest names, and `field`."""
        if name not in self._entries:
            raise NotFound(self.kind, name, nearest([e.label for e in self], name), field)
        return self._entries[name]

    def owner(self, name: str) -> str:
        """The plugin that brought the entry called `name`."""
        return self._owners[name]

    def words(self) -> tuple[Word, ...]:
        """The entries as words for the page and the API."""
        return tuple(
            Word(id=e.name, label=e.label, aliases=tuple(getattr(e, "aliases", ()))) for e in self
        )

    def __iter__(self) -> Iterator[E]:
        return iter(self._entries.values())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def _check(self, plugin: str, entry: E, labels: set[str], fresh: dict[str, E]) -> None:
        name, label = getattr(entry, "name", None), getattr(entry, "label", None)
        if not isinstance(name, str) or not NAME.match(name) or not isinstance(label, str):
            raise PluginError(
                plugin, self.hook, f"{plugin}: a {self.kind} needs a snake_case name and a label."
            )
        if name in self._entries or name in fresh or label.casefold() in labels:
            owner = self._owners.get(name, plugin)
            raise PluginError(
                plugin,
                self.hook,
                f"{plugin}: a {self.kind} called {label!r} is already there, from {owner}.",
            )
