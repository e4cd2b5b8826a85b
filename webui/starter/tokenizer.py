"""The starter's tokenizer: byte-level BPE in CLIP's file format, one token for each known word."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from transformers import CLIPTokenizer

from webui.starter.scenes import draw_scene, render_scene, write_caption
from webui.starter.scenes.words import EXTRA_WORDS, FILLERS, QUALITY

START, END = "<|startoftext|>", "<|endoftext|>"
CLOSE = "</w>"
MAX_TOKENS = 77
PIECES = r"[a-z]+|[0-9]|[^\sa-z0-9]+"
CAPTION_SIZE = 48

Symbols = tuple[str, ...]


def list_bytes() -> dict[int, str]:
    """Map every byte to the printable character CLIP's vocabulary writes for it."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = (byte for byte in range(256) if byte not in kept)
    return {b: chr(b) for b in kept} | {b: chr(256 + i) for i, b in enumerate(spare)}


def collect_captions(count: int) -> Iterable[str]:
    """Write ``count`` captions, eight from each of the first scenes."""
    rng = np.random.default_rng(77)
    for index in range(0, count, 8):
        scene = draw_scene(index)
        shown = render_scene(scene, CAPTION_SIZE).shown
        for _ in range(min(8, count - index)):
            yield write_caption(scene, shown, rng)


def count_words(captions: Iterable[str]) -> Counter[str]:
    """Count the words of ``captions`` and of the extra word lists."""
    counts: Counter[str] = Counter()
    for caption in captions:
        counts.update(re.findall(PIECES, caption.lower()))
    for phrase in (*EXTRA_WORDS, *FILLERS, *QUALITY):
        counts.update(re.findall(PIECES, phrase.lower()))
    return counts


def learn_merges(counts: Counter[str]) -> list[tuple[str, str]]:
    """Merge the commonest pair again and again until every counted word is one symbol."""
    symbols = list_bytes()
    words: dict[Symbols, int] = {}
    for word, number in sorted(counts.items()):
        letters = [symbols[byte] for byte in word.encode()]
        words[(*letters[:-1], letters[-1] + CLOSE)] = number
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for parts, number in words.items():
            for pair in pairwise(parts):
                pairs[pair] += number
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {merge_pair(parts, best): number for parts, number in words.items()}


def merge_pair(parts: Symbols, pair: tuple[str, str]) -> Symbols:
    """Join each adjacent ``pair`` in ``parts``."""
    joined: list[str] = []
    index = 0
    while index < len(parts):
        if parts[index : index + 2] == pair:
            joined.append(pair[0] + pair[1])
            index += 2
        else:
            joined.append(parts[index])
            index += 1
    return tuple(joined)


def build_tokenizer(folder: Path, captions: int = 20_000) -> CLIPTokenizer:
    """Learn the vocabulary from ``captions`` captions and write CLIP's files to ``folder``."""
    merges = learn_merges(count_words(collect_captions(captions)))
    letters = list(list_bytes().values())
    names = [*letters, *(letter + CLOSE for letter in letters)]
    names += list(dict.fromkeys(first + second for first, second in merges))
    names += [START, END]
    folder.mkdir(parents=True, exist_ok=True)
    vocab = {name: index for index, name in enumerate(names)}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": MAX_TOKENS,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
        "do_lower_case": True,
        "errors": "replace",
        "add_prefix_space": False,
    }
    text = json.dumps(config, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return load_tokenizer(folder)


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """Load the tokenizer from its files."""
    return CLIPTokenizer.from_pretrained(folder)


def encode_texts(tokenizer: CLIPTokenizer, texts: list[str]) -> np.ndarray:
    """Turn texts into token ids [n, 77], always padded to the full length."""
    found = tokenizer(
        texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="np"
    )
    return found["input_ids"]
