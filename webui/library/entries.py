"""The JSON text of a safetensors header, read strictly: what is accepted is laid out as it says.

The format's own rules: names once each, tensors one behind the other without gap or overlap from
the first byte to the last. A header that breaks them is refused before anything is made of it.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import orjson

MAX_TENSORS = 30_000
"""Ten times what the largest models and adapters that people use have."""
UNCOUNTED = 1_000_000
"""Headers below this many bytes cannot hold enough values to fill the memory."""
MARKS_PER_TENSOR = 16
MAX_AXES = 16
METADATA = "__metadata__"
BITS: Mapping[str, int] = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}


class TensorInfo(NamedTuple):
    """What the header says of one tensor; `dtype` as its format spells it, such as F16 or Q4_K."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


class Damaged(ValueError):
    """The text breaks a rule of the format; its words finish a sentence about the file."""


class NoHeader(ValueError):
    """The text is not a header at all."""


def parse_entries(text: bytes) -> tuple[dict[str, TensorInfo], dict[str, str], int]:
    """The tensors and the free text of a header, and how many bytes of data it speaks of.

    Raises Damaged where a rule is broken, NoHeader where the text is something else.
    """
    if len(text) > UNCOUNTED:
        marks = sum(text.count(mark) for mark in (b",", b"[", b"{"))
        if marks > MAX_TENSORS * MARKS_PER_TENSOR:
            raise Damaged(f"its header holds {marks} values, more than {MAX_TENSORS} tensors need")
    entries = _load(text)
    metadata = {key: str(value) for key, value in entries.pop(METADATA, {}).items()}
    tensors, end = _tensors(entries)
    return tensors, metadata, end


def _load(text: bytes) -> dict[str, Any]:
    """The JSON object in `text`: not too many names, each once, the metadata an object."""
    try:
        loaded = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _unreadable(text, error) from error
    if not isinstance(loaded, dict):
        raise NoHeader("the header is not an object")
    entries = cast("dict[str, Any]", loaded)
    told: Any = entries.get(METADATA, {})
    if not isinstance(told, dict):
        raise NoHeader("the metadata is not an object")
    for count, names in ((len(entries), "tensors"), (len(cast("Any", told)), "remarks")):
        if count > MAX_TENSORS:
            raise Damaged(f"its header names {count} {names}; {MAX_TENSORS} are the limit")
    try:
        # Writing it again gives the same bytes for all but a few files, unless a name came twice.
        if orjson.dumps(entries) != text.rstrip(b" "):
            json.loads(text.decode("utf-8"), object_pairs_hook=_once)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise NoHeader(f"the header is nested too deep: {error}") from error
    return entries


def _unreadable(text: bytes, error: ValueError) -> ValueError:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as wrong:
        if text.startswith(b"{"):
            return Damaged(f"its header is not UTF-8 text ({wrong.reason} at byte {wrong.start})")
    return NoHeader(str(error))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise Damaged(f"its header names {twice[:80]!r} twice")
    return found


def _tensors(entries: Mapping[str, Any]) -> tuple[dict[str, TensorInfo], int]:
    """The tensors, and the end of the last; nearly all files list them in their order."""
    tensors: dict[str, TensorInfo] = {}
    known: dict[tuple[object, ...], tuple[TensorInfo, int]] = {}
    unordered: list[tuple[int, int, str]] = []
    end = 0
    for name, entry in entries.items():
        try:
            key = (entry["dtype"], *entry["shape"])
            info, size = known.get(key) or known.setdefault(key, _measure(name, entry))
            offsets = entry["data_offsets"]
        except (TypeError, KeyError) as error:
            raise NoHeader(f"{name[:80]!r}: {type(error).__name__} {error}") from error
        tensors[name] = info
        if offsets != [end, end + size]:
            unordered.append((*_span(name, offsets, size), name))
        else:
            end += size
    return tensors, _check_spans(end, unordered) if unordered else end


def _measure(name: str, entry: Mapping[str, Any]) -> tuple[TensorInfo, int]:
    """A tensor and its size in bytes."""
    dtype: Any = entry["dtype"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise Damaged(f"{name[:80]!r} has numbers of the unknown kind {str(dtype)[:20]!r}")
    shape = cast("list[Any]", entry["shape"]) if isinstance(entry["shape"], list) else [-1]
    if len(shape) > MAX_AXES or any(type(axis) is not int or axis < 0 for axis in shape):
        raise Damaged(f"{name[:80]!r} has the impossible shape {str(shape)[:80]}")
    info = TensorInfo(dtype, tuple(shape))
    return info, -(-info.numel * BITS[dtype] // 8)


def _span(name: str, offsets: Any, size: int) -> tuple[int, int]:
    """Where a tensor lies in the data."""
    numbers = cast("list[Any]", offsets) if isinstance(offsets, list) else []
    if len(numbers) != 2 or any(type(number) is not int or number < 0 for number in numbers):
        raise NoHeader(f"{name[:80]!r} has no place in the data")
    start, stop = numbers
    if stop - start != size:
        raise Damaged(f"{name[:80]!r} has {stop - start} bytes, but its shape asks for {size}")
    return start, stop


def _check_spans(ordered: int, spans: list[tuple[int, int, str]]) -> int:
    """The end of the data, where the first `ordered` bytes are known to be filled."""
    end = ordered
    for start, stop, name in sorted(spans):
        if start < end and start != stop:
            raise Damaged(f"{name[:80]!r} overlaps another tensor")
        if start > end:
            raise Damaged(f"no tensor fills the bytes {end} to {start} of the data")
        end = max(end, stop)
    return end
