"""Safetensors files tensor by tensor: written as a stream, and read in pieces without mapping.

Whatever passes through is held in memory a piece at a time, so that files larger than the memory
can be made and merged.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from webui.errors import Conflict, StorageError, UnsupportedModel
from webui.library.entries import BITS, METADATA, TensorInfo
from webui.library.headers import LENGTH_BYTES, MAX_HEADER, Header, read_header

PIECE = 1 << 23
"""Bytes that are held at a time; a multiple of every element's size."""
ALIGNMENT = 8

Buffer = bytes | bytearray | memoryview
Pieces = Callable[[str], Iterable[Buffer]]


def byte_size(info: TensorInfo) -> int:
    """How many bytes a tensor takes in a file."""
    return -(-info.numel * BITS[info.dtype] // 8)


def write_tensors(
    stream: BinaryIO,
    tensors: Mapping[str, TensorInfo],
    metadata: Mapping[str, str],
    pieces: Pieces,
) -> int:
    """Write a whole safetensors file; `pieces` gives the bytes of a tensor, one after the other.

    The widest elements come first, so that every tensor begins at a multiple of its element.
    Returns the file's size. Raises UnsupportedModel where the header grows beyond what is read
    again, ValueError where a tensor's pieces have another length than it.
    """
    order = sorted(tensors, key=lambda name: (-BITS[tensors[name].dtype], name))
    text = _header(order, tensors, metadata)
    stream.write(len(text).to_bytes(LENGTH_BYTES, "little") + text)
    for name in order:
        written = sum(stream.write(piece) for piece in pieces(name))
        if written != byte_size(tensors[name]):
            raise ValueError(f"{name} has {written} bytes instead of {byte_size(tensors[name])}")
    stream.flush()
    return stream.tell()


def _header(
    order: Iterable[str], tensors: Mapping[str, TensorInfo], metadata: Mapping[str, str]
) -> bytes:
    entries: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    end = 0
    for name in order:
        info, start = tensors[name], end
        end = start + byte_size(info)
        entries[name] = {"dtype": info.dtype, "shape": info.shape, "data_offsets": (start, end)}
    text = orjson.dumps(entries)
    if len(text) > MAX_HEADER:
        raise UnsupportedModel(
            f"The file's header would have {len(text)} bytes, which is too much."
        )
    return text + b" " * (-len(text) % ALIGNMENT)


class TensorReader:
    """A safetensors file, open; its tensors are read by ordinary reads, never mapped.

    Raises what `read_header` raises.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: Header = read_header(path)
        try:
            self._stream = path.open("rb")
            length = int.from_bytes(self._stream.read(LENGTH_BYTES), "little")
            entries = cast("dict[str, Any]", orjson.loads(self._stream.read(length)))
        except (OSError, ValueError) as error:  # it was whole a moment ago
            raise StorageError(f"{path.name} could not be read.", str(error)) from error
        start = LENGTH_BYTES + length
        self._starts = {n: start + entries[n]["data_offsets"][0] for n in self.header.tensors}

    def __enter__(self) -> "TensorReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def pieces(self, name: str, size: int = PIECE) -> Iterator[bytearray]:
        """The bytes of a tensor, at most `size` at a time. Raises StorageError."""
        position, left = self._starts[name], byte_size(self.header.tensors[name])
        while left:
            piece = bytearray(min(size, left))
            self._stream.seek(position)
            if self._stream.readinto(piece) != len(piece):
                raise StorageError(f"{self.path.name} became shorter while it was read.")
            position, left = position + len(piece), left - len(piece)
            yield piece


def sync_file(stream: BinaryIO) -> None:
    """Have the system write what it holds back, before the file gets its name."""
    stream.flush()
    os.fsync(stream.fileno())


def settle(draft: Path, target: Path) -> Path:
    """Give a finished file its name, without ever replacing another one.

    Raises Conflict where the name is taken, StorageError.
    """
    taken = Conflict(f"There is a file called {target.name} already in {target.parent.name}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(draft)  # fails where the name is taken, in one step
            draft.unlink()
        except FileExistsError as error:
            raise taken from error
        except OSError:  # a file system without links
            if target.exists():
                raise taken from None
            draft.replace(target)
    except OSError as error:
        raise StorageError(f"{target.name} could not be written.", str(error)) from error
    return target
