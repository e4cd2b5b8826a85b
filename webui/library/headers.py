"""The header of a safetensors or GGUF file: which tensors it holds, reading none of them."""

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from webui.errors import StorageError, UnsupportedModel
from webui.library.entries import Damaged, NoHeader, TensorInfo, parse_entries
from webui.library.gguf import MAGIC, parse_gguf

LENGTH_BYTES = 8
MAX_HEADER = 8_000_000
"""The longest header that is read, in bytes; the largest known take a quarter of it."""


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
    """Read the header of the model file at `path`; memory and time are bounded.

    Which of the two formats it has is told by its first bytes, whatever it is called. Raises
    UnsupportedModel where it has neither, is cut short or breaks a rule of its format,
    StorageError where it cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would wait for its writer
            raise _not_safetensors(path, "it is not a regular file")
        with path.open("rb") as stream:
            if stream.peek(len(MAGIC)).startswith(MAGIC):
                index = parse_gguf(stream, status.st_size)
                return Header(index.tensors, index.metadata)
            text = _text(path, stream, status.st_size)
    except OSError as error:
        raise StorageError(f"The model file {path.name} could not be read.", str(error)) from error
    except Damaged as error:
        raise _damaged(path, str(error)) from error
    try:
        tensors, metadata, data_bytes = parse_entries(text)
    except Damaged as error:
        raise _damaged(path, str(error)) from error
    except NoHeader as error:
        raise _not_safetensors(path, str(error)) from error
    expected = LENGTH_BYTES + len(text) + data_bytes
    if status.st_size < expected:
        raise UnsupportedModel(
            f"The model file {path.name} is cut short: it has {status.st_size} of {expected} "
            "bytes. Was the download finished?"
        )
    if status.st_size > expected:
        raise _damaged(path, f"{status.st_size - expected} bytes follow its last tensor")
    return Header(tensors, metadata)


def _text(path: Path, stream: BinaryIO, size: int) -> bytes:
    start = stream.read(LENGTH_BYTES)
    length = int.from_bytes(start, "little")
    if len(start) < LENGTH_BYTES or length > size:
        raise _not_safetensors(path, f"it starts with {start[:4]!r}")
    if length > MAX_HEADER:
        raise _damaged(path, f"its header has {length} bytes; {MAX_HEADER} are the limit")
    return stream.read(length)


def _damaged(path: Path, reason: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"The model file {path.name} is damaged, or made to do harm: {reason}. "
        "Download it again from where it is published."
    )


def _not_safetensors(path: Path, seen: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"{path.name} is not a safetensors file. Pickled models (.ckpt, .pt, .bin) can run "
        "programs when they are opened, so they are not loaded: convert the model first, on the "
        "page's tab Convert or by `python -m webui models convert`.",
        seen,
    )
