"""The header of a GGUF file: names, shapes, kinds of numbers and places of its tensors.

Read strictly and without the data, as safetensors headers are: counts and lengths are bounded,
tensors lie inside the file and do not overlap. Shapes are given as torch has them, which is the
reverse of how the file lists them.
"""

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from webui.library.entries import MAX_TENSORS, Damaged, TensorInfo

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = "general.alignment"
USUAL_ALIGNMENT = 32
MAX_ALIGNMENT = 1 << 20
LARGEST_NUMBER = 8
ORIGINAL_SHAPE = "comfy.gguf.orig_shape."
"""What converters of image models write beside tensors that they laid out in other rows."""

MAX_HEADER = 32_000_000
MAX_WORDS = 300_000
MAX_TEXT = 1_000_000
MAX_AXES = 5
SHORT = 8

SCALARS: Mapping[int, str] = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
TEXT, ARRAY = 8, 9
Value = str | float | tuple[float, ...] | None


class Block(NamedTuple):
    """How one kind of numbers is stored: so many of them in so many bytes."""

    name: str
    numbers: int
    bytes: int


BLOCKS: Mapping[int, Block] = {
    0: Block("F32", 1, 4),
    1: Block("F16", 1, 2),
    2: Block("Q4_0", 32, 18),
    3: Block("Q4_1", 32, 20),
    6: Block("Q5_0", 32, 22),
    7: Block("Q5_1", 32, 24),
    8: Block("Q8_0", 32, 34),
    10: Block("Q2_K", 256, 84),
    11: Block("Q3_K", 256, 110),
    12: Block("Q4_K", 256, 144),
    13: Block("Q5_K", 256, 176),
    14: Block("Q6_K", 256, 210),
    20: Block("IQ4_NL", 32, 18),
    23: Block("IQ4_XS", 256, 136),
    24: Block("I8", 1, 1),
    25: Block("I16", 1, 2),
    26: Block("I32", 1, 4),
    27: Block("I64", 1, 8),
    28: Block("F64", 1, 8),
    30: Block("BF16", 1, 2),
}
"""The format's kinds of numbers by their codes; rarer ones are refused with their code."""

T5_PARTS: Mapping[str, str] = {
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    "attn_norm": "layer.0.layer_norm",
    "attn_q": "layer.0.SelfAttention.q",
    "attn_k": "layer.0.SelfAttention.k",
    "attn_v": "layer.0.SelfAttention.v",
    "attn_o": "layer.0.SelfAttention.o",
    "ffn_norm": "layer.1.layer_norm",
    "ffn_gate": "layer.1.DenseReluDense.wi_0",
    "ffn_up": "layer.1.DenseReluDense.wi_1",
    "ffn_down": "layer.1.DenseReluDense.wo",
}
"""T5 encoders come under names of their own in this format; these are the published ones."""
T5_WHOLE = {
    "token_embd.weight": "shared.weight",
    "enc.output_norm.weight": "encoder.final_layer_norm.weight",
}
T5_BLOCK = re.compile(r"enc\.blk\.(\d+)\.(\w+)\.weight")


class Place(NamedTuple):
    """Where a tensor's bytes lie in the file."""

    start: int
    size: int


@dataclass(frozen=True, eq=False)
class GgufIndex:
    """What a GGUF header says.

    Attributes:
        tensors: kinds and shapes by name.
        places: where each of them lies, from the file's first byte.
        metadata: texts and numbers among the file's values; lists are left out.
    """

    tensors: Mapping[str, TensorInfo]
    places: Mapping[str, Place]
    metadata: Mapping[str, str]


class _Cursor:
    """Reads numbers and texts one after the other, and no further than a header may go."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self.position = 0
        self._stream = stream
        self._limit = min(limit, MAX_HEADER)

    def take(self, count: int) -> bytes:
        if count > self._limit - self.position:
            raise Damaged("its header does not end where it could")
        self.position += count
        found = self._stream.read(count)
        if len(found) < count:
            raise Damaged("its header ends in the middle")
        return found

    def number(self, code: str) -> float:
        form = f"<{code}"
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def count(self, code: str, most: int, what: str) -> int:
        found = int(self.number(code))
        if found > most:
            raise Damaged(f"its header speaks of {found} {what}; {most} are the limit")
        return found

    def text(self) -> str:
        size = self.count("Q", MAX_TEXT, "letters in one text")
        return self.take(size).decode("utf-8", errors="replace")


def parse_gguf(stream: BinaryIO, size: int) -> GgufIndex:
    """Read the header of a file of `size` bytes from its first byte on. Raises Damaged."""
    cursor = _Cursor(stream, size)
    if cursor.take(len(MAGIC)) != MAGIC:
        raise Damaged("it does not start as a GGUF file")
    version = int(cursor.number("I"))
    if version not in VERSIONS:
        raise Damaged(f"it is written in version {version} of the format; 2 and 3 are known")
    tensors = cursor.count("Q", MAX_TENSORS, "tensors")
    values = _values(cursor, cursor.count("Q", MAX_TENSORS, "remarks"))
    entries = [_entry(cursor) for _ in range(tensors)]
    alignment = _alignment(values)
    start = -(-cursor.position // alignment) * alignment
    infos: dict[str, TensorInfo] = {}
    places: dict[str, Place] = {}
    architecture = str(values.get("general.architecture", ""))
    for stored, shape, block, offset in entries:
        name = _published(stored, architecture)
        if offset % alignment:
            raise Damaged(f"{name[:80]!r} lies at byte {offset}, which is not aligned")
        if name in infos:
            raise Damaged(f"its header names {name[:80]!r} twice")
        infos[name] = TensorInfo(block.name, _original(shape, values.get(ORIGINAL_SHAPE + stored)))
        places[name] = Place(start + offset, math.prod(shape) // block.numbers * block.bytes)
    _check_places(places, size)
    told = {k: str(v) for k, v in values.items() if v is not None and not isinstance(v, tuple)}
    return GgufIndex(infos, places, told)


def _values(cursor: _Cursor, count: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    words = 0
    for _ in range(count):
        key, kind = cursor.text(), int(cursor.number("I"))
        if kind == ARRAY:
            values[key], more = _list(cursor)
            words += more
            if words > MAX_WORDS:
                raise Damaged(f"its header holds more than {MAX_WORDS} words")
        else:
            values[key] = _value(cursor, kind)
    return values


def _value(cursor: _Cursor, kind: int) -> str | float:
    if kind == TEXT:
        return cursor.text()
    if kind not in SCALARS:
        raise Damaged(f"its header holds a value of the unknown kind {kind}")
    return cursor.number(SCALARS[kind])


def _list(cursor: _Cursor) -> tuple[Value, int]:
    """A short list of numbers, or None for any other; and how many texts were passed over."""
    kind = int(cursor.number("I"))
    if kind == TEXT:
        count = cursor.count("Q", MAX_WORDS, "words")
        for _ in range(count):
            cursor.text()
        return None, count
    if kind not in SCALARS:
        raise Damaged(f"its header holds a list of the unknown kind {kind}")
    count = cursor.count("Q", MAX_HEADER, "values in a list")
    form = f"<{count}{SCALARS[kind]}"
    found = cursor.take(struct.calcsize(form))
    return (tuple(struct.unpack(form, found)) if count <= SHORT else None), 0


def _entry(cursor: _Cursor) -> tuple[str, tuple[int, ...], Block, int]:
    """A tensor's name, shape, kind and offset."""
    name = cursor.text()
    axes = cursor.count("I", MAX_AXES, f"axes of {name[:80]!r}")
    shape = tuple(int(cursor.number("Q")) for _ in range(axes))[::-1]
    kind, offset = int(cursor.number("I")), int(cursor.number("Q"))
    if kind not in BLOCKS:
        raise Damaged(f"{name[:80]!r} has numbers of the unknown kind {kind}")
    block = BLOCKS[kind]
    if block.numbers > 1 and (not shape or shape[-1] % block.numbers):
        raise Damaged(f"{name[:80]!r} has the impossible shape {shape} for {block.name}")
    return name, shape, block, offset


def _alignment(values: Mapping[str, Value]) -> int:
    told = values.get(ALIGNMENT, USUAL_ALIGNMENT)
    if not isinstance(told, int) or not 0 < told <= MAX_ALIGNMENT or told % LARGEST_NUMBER:
        raise Damaged(f"its tensors are aligned to {str(told)[:20]!r}")
    return told


def _original(shape: tuple[int, ...], told: Value) -> tuple[int, ...]:
    """The shape that the tensor had before it was laid out in rows that can be packed."""
    if not isinstance(told, tuple):
        return shape
    meant = tuple(int(axis) for axis in told)
    if math.prod(meant) != math.prod(shape) or any(axis < 0 for axis in meant):
        raise Damaged(f"a tensor of shape {shape} cannot have been {meant}")
    return meant


def _check_places(places: Mapping[str, Place], size: int) -> None:
    end = 0
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        if place.start < end and place.size:
            raise Damaged(f"{name[:80]!r} overlaps another tensor")
        end = place.start + place.size
        if end > size:
            raise Damaged(f"{name[:80]!r} ends at byte {end} of {size}; was the download finished?")


def _published(name: str, architecture: str) -> str:
    """The published name of a tensor of a T5 encoder; any other as it is."""
    found = T5_BLOCK.fullmatch(name)
    if not architecture.startswith("t5"):
        return name
    if found is None or found[2] not in T5_PARTS:
        return T5_WHOLE.get(name, name)
    return f"encoder.block.{found[1]}.{T5_PARTS[found[2]]}.weight"


def read_gguf(path: Path) -> GgufIndex | None:
    """The header of the file at `path`; None where it is no GGUF file.

    Raises Damaged where it breaks a rule of the format, OSError where it cannot be read.
    """
    with path.open("rb") as stream:
        if not stream.peek(len(MAGIC)).startswith(MAGIC):
            return None
        return parse_gguf(stream, path.stat().st_size)
