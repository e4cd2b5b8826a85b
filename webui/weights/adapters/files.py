"""Adapter files: their tensors by layer, nothing left out unsaid."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from webui.library.embeddings import BUNDLED, EmbeddingFile, bundled_files
from webui.library.headers import read_header
from webui.weights.adapters.formulas import Parts
from webui.weights.adapters.keys import split_name


@dataclass(frozen=True, eq=False)
class Adapter:
    """A LoRA or a relative of it, in memory.

    Attributes:
        name: what people call it.
        identity: tells it from every other, and from the same file with other contents.
        layers: the tensors for each layer, by the layer's flat name.
        strays: names of tensors that belong to no kind of change that is known.
        family: of the models that it is made for; "" where its header cannot tell.
        bundled: words with vectors of their own that come along, which prompts may use.
    """

    name: str
    identity: Hashable
    layers: Mapping[str, Parts]
    strays: tuple[str, ...] = ()
    bundled: tuple[EmbeddingFile, ...] = ()
    family: str = ""

    @property
    def size(self) -> int:
        """How many tensors the file has."""
        return sum(len(parts) for parts in self.layers.values()) + len(self.strays)


def read_adapter(path: Path, name: str, identity: Hashable, family: str = "") -> Adapter:
    """Read a safetensors file, made for `family`. Raises UnsupportedModel and StorageError."""
    names = list(read_header(path).tensors)
    layers: dict[str, dict[str, Tensor]] = {}
    strays: list[str] = []
    with safe_open(path, framework="pt", device="cpu") as file:
        for key in (name for name in names if not name.startswith(BUNDLED)):
            place = split_name(key)
            if place is None or place[1] in layers.get(place[0], {}):
                strays.append(key)
            else:
                layers.setdefault(place[0], {})[place[1]] = file.get_tensor(key)
    return Adapter(name, identity, layers, tuple(strays), bundled_files(path), family)
