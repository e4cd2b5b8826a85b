"""What is on offer now: built-in words, model files, styles, and what the worker reported."""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from webui.contract.events import Machine, PluginReport, Vocabulary, Word
from webui.contract.vocabulary import builtin, merged

log = logging.getLogger(__name__)

Source = Callable[[], tuple[Word, ...]]


class VocabularyBook:
    """The words of every vocabulary; the worker's report is kept on disk for the next start."""

    def __init__(self, cache: Path, files: Mapping[str, Source]) -> None:
        self._cache = cache
        self._files = dict(files)
        self._reported = threading.Event()
        self._worker = self._load()

    def words(self) -> dict[str, tuple[Word, ...]]:
        """Everything that a request may name now, by vocabulary name."""
        words = merged(builtin(), self._worker.words)
        for name, source in self._files.items():
            words[name] = source()
        return words

    @property
    def plugins(self) -> tuple[PluginReport, ...]:
        """How the loading of the worker's extensions went."""
        return self._worker.plugins

    @property
    def machine(self) -> Machine | None:
        """What the worker computes on, by its latest report; None before the first of all."""
        return self._worker.machine

    def update(self, vocabulary: Vocabulary) -> None:
        """Take over a worker's report."""
        self._worker = vocabulary
        self._reported.set()
        fresh = self._cache.with_suffix(".tmp")
        try:
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(vocabulary.model_dump_json(indent=1), encoding="utf-8")
            fresh.replace(self._cache)
        except OSError as error:  # the next worker reports again
            log.warning("the vocabulary could not be kept for the next start: %s", error)

    def wait_for_report(self, seconds: float) -> bool:
        """Wait for this server's first worker to report; False if it had, or does not come."""
        return not self._reported.is_set() and self._reported.wait(seconds)

    def _load(self) -> Vocabulary:
        try:
            return Vocabulary.model_validate(json.loads(self._cache.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError):
            return Vocabulary(words={})
