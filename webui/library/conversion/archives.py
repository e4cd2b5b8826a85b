"""The containers that torch writes pickles of tensors into: the zip of today and the older stream.

Both keep the numbers of a tensor beside the pickle, as plain bytes by a key. They are read where
they lie; nothing is unpacked, and nothing that is packed small is accepted.
"""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

import numpy as np

from webui.errors import UnsupportedModel
from webui.library.conversion.pickled import Damaged, read_pickle
from webui.library.conversion.values import Storage, StoredTensor, Value, element_bytes
from webui.library.tensorfile import PIECE

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MOST_PICKLE = 1 << 26
"""Bytes of pickle beside the numbers; the largest known models have two million."""
MOST_ENTRIES = 100_000
BYTE_ORDER = b"little"


class Numbers(Protocol):
    """Where the bytes of storages come from."""

    def open(self, storage: Storage) -> tuple[BinaryIO, int, int]:
        """A stream, the place of the storage's first byte in it, and how many bytes it has."""
        ...


@dataclass(frozen=True)
class Archive:
    """What one file holds: the data of its pickle, and the numbers of its tensors."""

    content: Value
    numbers: Numbers


def open_archive(stream: BinaryIO) -> Archive:
    """Read the pickle in a model file, whatever the file is called.

    Raises UnsupportedModel for a container or a name that is not allowed, Damaged.
    """
    start = stream.read(262)
    stream.seek(0)
    if start[:2] == b"PK":
        return _open_zip(stream)
    if start[257:262] == b"ustar":
        raise UnsupportedModel(
            "The file is a tar archive, which torch wrote before 2017; it is not converted. "
            "Save it again with a newer torch where you trust it."
        )
    if start[:1] == b"\x80":
        return _open_stream(stream)
    raise UnsupportedModel(
        "The file is neither a pickled model nor a safetensors file.", f"it starts with {start[:8]}"
    )


# ------------------------------------------------------------------------------------ zip archives


class _ZipNumbers:
    def __init__(self, archive: zipfile.ZipFile, top: str) -> None:
        self._archive = archive
        self._infos = {info.filename: info for info in archive.infolist()}
        self._top = top

    def open(self, storage: Storage) -> tuple[BinaryIO, int, int]:
        info = self._infos.get(f"{self._top}data/{storage.key}")
        if info is None:
            raise Damaged(f"the numbers of tensor {storage.key[:40]!r} are missing")
        return cast("BinaryIO", self._archive.open(info)), 0, info.file_size


def _open_zip(stream: BinaryIO) -> Archive:
    try:
        archive = zipfile.ZipFile(stream)
    except zipfile.BadZipFile as error:
        raise Damaged(f"the archive cannot be read: {error}") from error
    infos = archive.infolist()
    if len(infos) > MOST_ENTRIES:
        raise Damaged(f"the archive has {len(infos)} entries")
    if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in infos):
        raise UnsupportedModel(
            "The file is a packed archive, not one that torch wrote. Unpack it first and convert "
            "the model inside."
        )
    pickles = [info for info in infos if info.filename.endswith("data.pkl")]
    if any("/code/" in f"/{info.filename}" for info in infos):
        raise UnsupportedModel("The file is a program (TorchScript), not a set of weights.")
    if len(pickles) != 1 or pickles[0].file_size > MOST_PICKLE:
        raise Damaged("the archive does not hold one data.pkl")
    top = pickles[0].filename.removesuffix("data.pkl")
    if f"{top}byteorder" in archive.namelist() and archive.read(f"{top}byteorder") != BYTE_ORDER:
        raise UnsupportedModel("The file was written on a machine of the other byte order.")
    with archive.open(pickles[0]) as inside:
        content = read_pickle(cast("BinaryIO", inside))
    return Archive(content, _ZipNumbers(archive, top))


# -------------------------------------------------------------------------------- the older stream


class _Bounded:
    """A stream whose single reads are bounded, so that a length in it cannot fill the memory."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MOST_PICKLE:
            raise Damaged(f"a value of {size} bytes")
        return self._stream.read(size)

    def readline(self) -> bytes:
        return self._stream.readline(MOST_PICKLE)

    def tell(self) -> int:
        return self._stream.tell()


class _StreamNumbers:
    def __init__(self, stream: BinaryIO, places: Mapping[str, tuple[int, int]]) -> None:
        self._stream = stream
        self._places = places

    def open(self, storage: Storage) -> tuple[BinaryIO, int, int]:
        if storage.key not in self._places:
            raise Damaged(f"the numbers of tensor {storage.key[:40]!r} are missing")
        start, size = self._places[storage.key]
        return self._stream, start, size


def _open_stream(stream: BinaryIO) -> Archive:
    """Magic number, protocol, machine, content, keys: five pickles, then the numbers."""
    bounded = cast("BinaryIO", _Bounded(stream))
    first = read_pickle(bounded)
    if first != MAGIC:
        raise UnsupportedModel(
            "The file is a plain pickle, not a model that torch wrote; there is nothing to convert."
        )
    if read_pickle(bounded) != PROTOCOL:
        raise UnsupportedModel("The file was written by a torch that is too old to be read here.")
    read_pickle(bounded)
    content = read_pickle(bounded)
    keys = read_pickle(bounded)
    kinds = {storage.key: storage for storage in _storages(content)}
    return Archive(content, _StreamNumbers(stream, _places(stream, keys, kinds)))


def _places(
    stream: BinaryIO, keys: Value, kinds: Mapping[str, Storage]
) -> dict[str, tuple[int, int]]:
    """Where each storage's bytes lie: behind a count of eight bytes, in the order of the keys."""
    places: dict[str, tuple[int, int]] = {}
    position = stream.tell()
    for key in cast("list[Any]", keys) if isinstance(keys, list) else []:
        storage = kinds.get(key) if isinstance(key, str) else None
        if storage is None or storage.dtype is None:
            raise Damaged("a storage belongs to no tensor")
        stream.seek(position)
        numel = int.from_bytes(stream.read(8), "little", signed=True)
        if numel != storage.numel:
            raise Damaged(f"the storage {key[:40]!r} has {numel} elements")
        size = numel * element_bytes(storage.dtype)
        places[key] = (position + 8, size)
        position += 8 + size
    return places


def _storages(content: Value) -> Iterator[Storage]:
    """Every storage below `content`, each place looked at once."""
    waiting, seen = [content], set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, StoredTensor):
            yield value.storage
        elif isinstance(value, Storage):
            yield value
        elif id(value) not in seen:
            seen.add(id(value))
            waiting.extend(_inside(value))


def _inside(value: Value) -> list[Value]:
    if isinstance(value, dict):
        return list(cast("dict[Value, Value]", value).values())
    if isinstance(value, list | tuple):
        return list(cast("list[Value]", value))
    return list(getattr(value, "state", ()))


# ------------------------------------------------------------------------------------- the numbers


def tensor_pieces(numbers: Numbers, tensor: StoredTensor) -> Iterator[bytes]:
    """The bytes of a tensor in the order of its axes, a piece at a time. Raises Damaged."""
    stream, start, size = numbers.open(tensor.storage)
    width = element_bytes(tensor.dtype)
    if extent(tensor) * width > size:
        raise Damaged("a tensor reaches beyond its numbers")
    if is_contiguous(tensor):
        count = width
        for axis in tensor.shape:
            count *= axis
        yield from _run(stream, start + tensor.offset * width, count)
    else:
        yield _gathered(stream, start + tensor.offset * width, tensor, width)


def _run(stream: BinaryIO, position: int, left: int) -> Iterator[bytes]:
    stream.seek(position)
    while left:
        piece = stream.read(min(PIECE, left))
        if not piece:
            raise Damaged("the file ends in the middle of a tensor")
        left -= len(piece)
        yield piece


def _gathered(stream: BinaryIO, position: int, tensor: StoredTensor, width: int) -> bytes:
    """A tensor whose axes lie in another order, such as one that was transposed."""
    span = (extent(tensor) - tensor.offset) * width
    elements = np.frombuffer(b"".join(_run(stream, position, span)), np.dtype(f"V{width}"))
    steps = [stride * width for stride in tensor.stride]
    view = np.lib.stride_tricks.as_strided(elements, tensor.shape, steps, writeable=False)
    return np.ascontiguousarray(view).tobytes()


def extent(tensor: StoredTensor) -> int:
    """One past the last element of the storage that the tensor reaches; 0 for an empty one."""
    if 0 in tensor.shape:
        return 0
    steps = zip(tensor.shape, tensor.stride, strict=True)
    return tensor.offset + 1 + sum((axis - 1) * stride for axis, stride in steps)


def is_contiguous(tensor: StoredTensor) -> bool:
    """Whether the elements lie one behind the other in the order of the axes."""
    expected = 1
    for axis, stride in zip(reversed(tensor.shape), reversed(tensor.stride), strict=True):
        if axis != 1 and stride != expected:
            return 0 in tensor.shape
        expected *= axis
    return True
