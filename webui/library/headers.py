"""The header of a safetensors file: which tensors it holds, without reading one of them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from webui.errors import StorageError, UnsupportedModel

LENGTH_BYTES = 8
MAX_HEADER = 100_000_000
"""The format's own limit for the header, in bytes."""


@dataclass(frozen=True)
class TensorInfo:
    """What the header says of one tensor; `dtype` as safetensors spells it, such as F16."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many elements it has."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True, eq=False)
class Header:
    """Every tensor of a file by name, and the file's free text metadata."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of the tensor called `name`; None where there is none."""
        info = self.tensors.get(name)
        return None if info is None else info.shape

    def names(self, prefix: str) -> Iterable[str]:
        """The names that start with `prefix`, in the file's order."""
        return (name for name in self.tensors if name.startswith(prefix))

    def has(self, prefix: str) -> bool:
        """Whether any name starts with `prefix`."""
        return any(True for _ in self.names(prefix))

    def marked(self, metadata: Mapping[str, str]) -> "Header":
        """The same with more metadata, which wins over what the file says."""
        return replace(self, metadata={**self.metadata, **metadata})


def read_header(path: Path) -> Header:
    """Read the header of the safetensors file at `path`.

    Raises UnsupportedModel where it is no safetensors file or is cut short, StorageError where it
    cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(LENGTH_BYTES)
            length = int.from_bytes(start, "little")
            if len(start) < LENGTH_BYTES or length > min(MAX_HEADER, size):
                raise _not_safetensors(path, f"it starts with {start[:4]!r}")
            text = stream.read(length)
    except OSError as error:
        raise StorageError(f"The model file {path.name} could not be read.", str(error)) from error
    tensors, metadata, data_bytes = _parsed(path, text)
    expected = LENGTH_BYTES + length + data_bytes
    if size < expected:
        raise UnsupportedModel(
            f"The model file {path.name} is cut short: it has {size} of {expected} bytes. "
            "Was the download finished?"
        )
    return Header(tensors, metadata)


def _parsed(path: Path, text: bytes) -> tuple[dict[str, TensorInfo], dict[str, str], int]:
    try:
        entries = cast("dict[str, dict[str, Any]]", json.loads(text))
        metadata = {k: str(v) for k, v in entries.pop("__metadata__", {}).items()}
        tensors = {
            name: TensorInfo(str(entry["dtype"]), tuple(int(n) for n in entry["shape"]))
            for name, entry in entries.items()
        }
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise _not_safetensors(path, str(error)) from error
    return tensors, metadata, end


def _not_safetensors(path: Path, seen: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"{path.name} is not a safetensors file. Pickled models (.ckpt, .pt, .bin) can run "
        "programs when they are opened, so they are not loaded: convert the model first.",
        seen,
    )
