"""The checkpoints of one run: each opened once by name, and patched until the run ends."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from webui.contract.request import Reading
from webui.errors import ModelMismatch
from webui.generation.embeddings import Glossary, Spoken
from webui.library.catalog import Catalog, ModelFile
from webui.plugins.effects import Patch
from webui.weights.adapters import Adapters
from webui.weights.checkpoint import Checkpoint


class Opened(NamedTuple):
    """A checkpoint and the file it came from."""

    file: ModelFile
    checkpoint: Checkpoint


class Models:
    """Opens checkpoints, and lays the patches of a run on each; `stack` takes them off again.

    The name "" stands for `default`. `adapters` gives the networks that a prompt asks for,
    `glossary` the embeddings that it names.
    """

    def __init__(
        self,
        catalog: Catalog,
        load: Callable[[ModelFile], Checkpoint],
        default: str,
        patches: Sequence[Patch],
        adapters: Callable[[str], Adapters],
        glossary: Glossary,
        stack: ExitStack,
    ) -> None:
        self._catalog = catalog
        self._load = load
        self._default = default
        self._patches = tuple(patches)
        self._adapters = adapters
        self.glossary = glossary
        self._stack = stack
        self._opened: dict[Path, Opened] = {}
        self._worn: Adapters | None = None
        self._wearing: list[tuple[Checkpoint, ExitStack]] = []

    def check(self, name: str, field: str) -> None:
        """Raise NotFound, which names `field`, where there is no checkpoint called `name`."""
        self._catalog.resolve(name or self._default, field)

    def title(self, name: str) -> str:
        """A checkpoint's name with the first ten of its hash, nothing loaded; "" for no name."""
        if not name:
            return ""
        file = self._catalog.resolve(name)
        sha256 = self._catalog.hashes.sha256(file.weights)
        return f"{file.stem} [{sha256[:10]}]" if sha256 else file.stem

    def open(self, name: str) -> Opened:
        """The checkpoint called `name`; raises NotFound, and what loading raises."""
        found = self._catalog.resolve(name or self._default)
        if found.path not in self._opened:
            file = replace(found, sha256=self._catalog.hashes.sha256(found.weights))
            with torch.inference_mode(False):  # patches write to weights in later runs too
                checkpoint = self._load(file)
            checkpoint.rest()
            for patch in self._patches:
                self._stack.enter_context(patch.apply(checkpoint))
            # Entered after the patches, so that it is left before them.
            own = self._stack.enter_context(ExitStack())
            self._wearing.append((checkpoint, own))
            if self._worn is not None:
                _dress(checkpoint, self._worn, own)
            self._opened[found.path] = Opened(file, checkpoint)
        return self._opened[found.path]

    def wear(self, prompt: str) -> None:
        """Lay the networks that `prompt` asks for on every checkpoint, instead of those before."""
        adapters = self._adapters(prompt)
        if self._worn is not None and adapters.asked == self._worn.asked:
            return
        for _, own in self._wearing:
            own.close()
        self._worn = adapters
        for checkpoint, own in self._wearing:
            _dress(checkpoint, adapters, own)

    @property
    def reading(self) -> Hashable:
        """What tells how text encoders read by now, as far as worn networks change that."""
        wishes = self._worn.wishes if self._worn is not None else ()
        return tuple(wish.reading for wish in wishes if wish.reading is not None)

    def look(self, checkpoint: Checkpoint, texts: Sequence[str], reading: Reading) -> Spoken:
        """The embeddings that `texts` name, with those that worn networks bring along."""
        wishes = self._worn.wishes if self._worn is not None else ()
        bundled = [file for wish in wishes for file in wish.adapter.bundled]
        return self.glossary.look(checkpoint, texts, reading, bundled)

    def follow(self, name: str, before: Checkpoint) -> Checkpoint:
        """The checkpoint called `name`, fit to go on with the latents of another.

        Raises ModelMismatch where their latents differ.
        """
        after = self.open(name).checkpoint
        if after.latent != before.latent:
            raise ModelMismatch(
                f"{after.title} cannot go on with the latents of {before.title}: "
                "they belong to models of different kinds."
            )
        return after


def _dress(checkpoint: Checkpoint, adapters: Adapters, own: ExitStack) -> None:
    """Lay `adapters` on a checkpoint until `own` is closed; its weights are at rest both times."""
    checkpoint.rest()
    own.enter_context(adapters.apply(checkpoint))
    own.callback(checkpoint.rest)
