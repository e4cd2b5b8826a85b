"""The checkpoints of one run: each opened once by name, and patched until the run ends."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from webui.errors import ModelMismatch
from webui.library.catalog import Catalog, ModelFile
from webui.plugins.effects import Patch
from webui.weights.checkpoint import Checkpoint


class Opened(NamedTuple):
    """A checkpoint and the file it came from."""

    file: ModelFile
    checkpoint: Checkpoint


class Models:
    """Opens checkpoints, and lays the patches of a run on each; `stack` takes them off again.

    The name "" stands for `default`.
    """

    def __init__(
        self,
        catalog: Catalog,
        load: Callable[[ModelFile], Checkpoint],
        default: str,
        patches: Sequence[Patch],
        stack: ExitStack,
    ) -> None:
        self._catalog = catalog
        self._load = load
        self._default = default
        self._patches = tuple(patches)
        self._stack = stack
        self._opened: dict[Path, Opened] = {}

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
            for patch in self._patches:
                self._stack.enter_context(patch.apply(checkpoint))
            self._opened[found.path] = Opened(file, checkpoint)
        return self._opened[found.path]

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
