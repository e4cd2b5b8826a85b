"""The vocabulary of T5 text encoders, from the user's own copy of their tokenizer.

It is published as tokenizer.json (2.4 MB) or spiece.model (0.8 MB) with google/t5-v1_1-xxl, and
lies in every diffusers folder of Stable Diffusion 3 and FLUX. Both are read here without the
libraries that wrote them; the second is a protocol buffer of SentencePiece:
https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""

import base64
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from webui.errors import Unavailable, UnsupportedModel

FILES = ("tokenizer.json", "spiece.model")
FOLDERS = ("", "t5_tokenizer", "t5", "tokenizer_3", "tokenizer_2")
HUB_NAMES = ("google--t5-v1_1-xxl", "black-forest-labs--FLUX.1-", "stabilityai--stable-diffusion-3")
END, UNKNOWN, PAD = "</s>", "<unk>", "<pad>"
EXTRA_WORDS = 100
"""Words without meaning that T5 has behind those of its spiece.model."""
LARGEST = 32 << 20
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5


@dataclass(frozen=True, eq=False)
class UnigramVocabulary:
    """T5's pieces of words with their log probabilities, in the order of their ids.

    `charsmap` is the table that letters are brought to one form by, compiled as SentencePiece has
    it; empty for none. Compared by identity, so that what is built from one can be remembered
    under it.
    """

    pieces: tuple[tuple[str, float], ...]
    charsmap: bytes
    end: int
    pad: int
    unknown: int

    def __len__(self) -> int:
        return len(self.pieces)


def find_t5_tokenizer(folders: Iterable[Path]) -> Path:
    """The first copy of T5's tokenizer in `folders` or in the cache that downloads leave behind.

    Raises Unavailable, saying where to put one.
    """
    looked: list[str] = []
    for folder in (*folders, *_cached()):
        looked.append(str(folder))
        for inside in FOLDERS:
            for name in FILES:
                path = folder / inside / name
                if path.is_file() and _is_t5(path):
                    return path
    raise Unavailable(
        "The model reads prompts with T5, whose tokenizer is not here. Put tokenizer.json or "
        "spiece.model of google/t5-v1_1-xxl (or of any FLUX or SD 3 folder) into "
        "models/text_encoder.",
        f"looked into {', '.join(looked)}",
    )


def read_t5_vocabulary(path: Path) -> UnigramVocabulary:
    """Read a tokenizer.json or spiece.model, or the one in a tokenizer's folder.

    Raises UnsupportedModel where there is none, or it is damaged or of another kind.
    """
    if path.is_dir():
        path = next((path / name for name in FILES if (path / name).is_file()), path)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST} bytes")
        data = path.read_bytes()
        return _from_json(data) if path.suffix == ".json" else _from_protocol_buffer(data)
    except (OSError, ValueError, TypeError, KeyError, IndexError, struct.error) as error:
        raise UnsupportedModel(
            f"The tokenizer {path.parent.name}/{path.name} is missing, damaged or not T5's; "
            "tokenizer.json or spiece.model of google/t5-v1_1-xxl is needed.",
            f"{type(error).__name__}: {error}",
        ) from error


def _is_t5(path: Path) -> bool:
    """Whether the file is of T5's kind; folders of text encoders hold tokenizers of CLIP too."""
    try:
        read_t5_vocabulary(path)
    except UnsupportedModel:
        return False
    return True


def _cached() -> Iterator[Path]:
    """Folders of models that the Hugging Face libraries once downloaded, where there are any."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    for name in HUB_NAMES:
        yield from sorted(hub.glob(f"models--{name}*/snapshots/*"))


def _from_json(data: bytes) -> UnigramVocabulary:
    loaded = cast("dict[str, Any]", json.loads(data))
    model = loaded["model"]
    if model.get("type") != "Unigram":
        raise ValueError(f"it is of the kind {model.get('type')}")
    pieces = tuple((str(piece), float(score)) for piece, score in model["vocab"])
    return _vocabulary(pieces, base64.b64decode(_charsmap(loaded.get("normalizer"))))


def _charsmap(normalizer: Any) -> str:
    """The compiled table of a normalizer, which may be one of several in a row."""
    if not isinstance(normalizer, Mapping):
        return ""
    said = cast("Mapping[str, Any]", normalizer)
    if said.get("type") == "Sequence":
        inner = cast("list[Any]", said.get("normalizers", []))
        return next((table for one in inner if (table := _charsmap(one))), "")
    return str(said.get("precompiled_charsmap") or "")


def _from_protocol_buffer(data: bytes) -> UnigramVocabulary:
    pieces: list[tuple[str, float]] = []
    charsmap = b""
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            piece = dict(_fields(value))
            score = piece.get(2, b"\0\0\0\0")
            text = cast("bytes", piece[1]).decode("utf-8")
            pieces.append((text, struct.unpack("<f", cast("bytes", score))[0]))
        elif number == 3 and isinstance(value, bytes):
            charsmap = cast("bytes", dict(_fields(value)).get(2, b""))
    pieces += [(f"<extra_id_{n}>", 0.0) for n in reversed(range(EXTRA_WORDS))]
    return _vocabulary(tuple(pieces), charsmap)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: whole numbers as such, all others as their bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == BYTES:
            length, place = _varint(data, place)
        elif kind in (EIGHT, FOUR):
            length = 8 if kind == EIGHT else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if place + length > len(data):
            raise ValueError("it is cut short")
        yield key >> 3, data[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number without end")


def _vocabulary(pieces: tuple[tuple[str, float], ...], charsmap: bytes) -> UnigramVocabulary:
    ids = {piece: index for index, (piece, _) in enumerate(pieces)}
    return UnigramVocabulary(pieces, charsmap, ids[END], ids[PAD], ids[UNKNOWN])
