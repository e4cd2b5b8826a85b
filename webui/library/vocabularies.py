"""The vocabularies of CLIP tokenizers on disk: words of a model folder, or CLIP's own 49408."""

import gzip
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from webui.errors import Unavailable, UnsupportedModel

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
CLIP_SIZE = 49408
CLIP_MERGES = CLIP_SIZE - 2 * 256 - 2
CLIP_PACKAGES = (
    ("openai-clip", "clip/bpe_simple_vocab_16e6.txt.gz"),
    ("open_clip_torch", "open_clip/bpe_simple_vocab_16e6.txt.gz"),
    ("clip-anytorch", "clip/bpe_simple_vocab_16e6.txt.gz"),
)
"""Installed packages that carry CLIP's published merges; the file is read, nothing imported."""


@dataclass(frozen=True, eq=False)
class BpeVocabulary:
    """Byte-pair words with their ids, and the merges that make them, most frequent first.

    Compared by identity, so that what is built from one can be remembered under it.
    """

    tokens: Mapping[str, int]
    merges: tuple[tuple[str, str], ...]
    start: int
    end: int
    pad: int

    def __len__(self) -> int:
        return len(self.tokens)


def read_vocabulary(folder: Path) -> BpeVocabulary:
    """Read the tokenizer in `folder`: vocab.json and merges.txt, or tokenizer.json.

    Raises UnsupportedModel where there is none, or where it is not a byte-pair tokenizer.
    """
    name = f"{folder.parent.name}/{folder.name}"
    try:
        if (folder / "vocab.json").is_file():
            tokens = cast("dict[str, int]", _json(folder / "vocab.json"))
            merges = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")[1:]
        else:
            model = _json(folder / "tokenizer.json")["model"]
            tokens, merges = cast("dict[str, int]", model["vocab"]), model["merges"]
        path = folder / "tokenizer_config.json"
        config = _json(path) if path.is_file() else {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _no_tokenizer(name, error) from error
    return parse_vocabulary({"vocab": tokens, "merges": merges, "config": config}, name)


def parse_vocabulary(told: Mapping[str, Any], name: str) -> BpeVocabulary:
    """Make a vocabulary of its parts `vocab`, `merges` and `config`, as a tokenizer's files say.

    Raises UnsupportedModel, calling it `name`, where they are damaged.
    """
    try:
        tokens = cast("dict[str, int]", told["vocab"])
        lines = (m for m in told["merges"] if not isinstance(m, str) or m.strip())
        merges = tuple(_pair(line) for line in lines)
        start, end, pad = (int(tokens[word]) for word in _specials(told.get("config", {})))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_tokenizer(name, error) from error
    return BpeVocabulary(tokens, merges, start, end, pad)


def _no_tokenizer(name: str, error: Exception) -> UnsupportedModel:
    return UnsupportedModel(
        f"The tokenizer in {name} is missing or of an unknown kind; a CLIP tokenizer "
        "(vocab.json and merges.txt) is needed.",
        f"{type(error).__name__}: {error}",
    )


def read_clip_vocabulary(pad: str = END) -> BpeVocabulary:
    """CLIP's own vocabulary of 49408 words, from an installed package that carries it.

    `pad` is the word that fills up a prompt: CLIP-L takes the end word, CLIP-G "!".
    Raises Unavailable where no such package is installed.
    """
    path = find_clip_merges()
    if path is None:
        names = ", ".join(name for name, _ in CLIP_PACKAGES)
        raise Unavailable(
            "Models in a single file need CLIP's vocabulary, which is not installed here. "
            "Install it with: pip install openai-clip",
            f"looked into the packages {names}",
        )
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    merges = _merges(lines[: CLIP_MERGES + 1])
    letters = [*byte_letters().values()]
    words = [*letters, *(letter + WORD_END for letter in letters)]
    words += [first + second for first, second in merges]
    words += [START, END]
    tokens = {word: index for index, word in enumerate(words)}
    if len(tokens) != CLIP_SIZE:
        raise Unavailable(
            "The installed copy of CLIP's vocabulary is damaged; reinstall openai-clip.",
            f"{path} gives {len(tokens)} words instead of {CLIP_SIZE}",
        )
    return BpeVocabulary(tokens, merges, tokens[START], tokens[END], tokens[pad])


def find_clip_merges() -> Path | None:
    """The file with CLIP's merges in an installed package; None where there is none."""
    for package, inside in CLIP_PACKAGES:
        try:
            path = Path(str(importlib.metadata.distribution(package).locate_file(inside)))
        except importlib.metadata.PackageNotFoundError:
            continue
        if path.is_file():
            return path
    return None


def byte_letters() -> dict[int, str]:
    """The printable letter that byte-level vocabularies write for each byte, in their order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + index) for index, byte in enumerate(others)}


def _json(path: Path) -> dict[str, Any]:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(loaded, dict):
        raise ValueError(f"{path.name} is not a JSON object")
    return cast("dict[str, Any]", loaded)


def _merges(lines: list[str]) -> tuple[tuple[str, str], ...]:
    """Pairs from lines of two words; the first line is a version mark."""
    return tuple(_pair(line) for line in lines[1:] if line.strip())


def _pair(merge: Any) -> tuple[str, str]:
    first, second = merge.split() if isinstance(merge, str) else merge
    return str(first), str(second)


def _specials(config: dict[str, Any]) -> tuple[str, str, str]:
    """Start, end and padding word; newer files write a word as an object with its content."""

    def word(name: str, default: str) -> str:
        value = config.get(name) or default
        return str(cast("dict[str, Any]", value)["content"] if isinstance(value, dict) else value)

    end = word("eos_token", END)
    return word("bos_token", START), end, word("pad_token", end)
