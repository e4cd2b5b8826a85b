"""Lora hashes and TI hashes: which files a prompt meant, whatever those are called here."""

import re
from collections.abc import Iterator, Sequence

from webui.contract.events import Word
from webui.contract.vocabulary import find

HASHES = "Lora hashes"
"""The key; its value is `name: hash, name: hash` with the first twelve digits of each."""

WORDS = "TI hashes"
"""The key for embeddings; its value has the same form."""

_TAG = re.compile(r"<(?:lora|lyco):([^:>]+)")


def has_tags(prompt: str) -> bool:
    """Whether a prompt asks for any LoRA."""
    return _TAG.search(prompt) is not None


def named_here(prompt: str, hashes: str, here: tuple[Word, ...]) -> tuple[str, tuple[str, ...]]:
    """The prompt with its LoRAs called as they are here, and sentences about those not found."""
    meant = dict(_pairs(hashes))
    missing: list[str] = []

    def rename(found: re.Match[str]) -> str:
        name = found[1]
        digest = meant.get(name.replace(",", ""))
        word = find(here, digest) if digest else None
        if word is not None:
            tells = name.casefold() in (word.id.casefold(), *(a.casefold() for a in word.aliases))
            return found[0] if tells else found[0].removesuffix(name) + word.id
        if find(here, name) is None:
            missing.append(f"Lora not found here: {name}")
        return found[0]

    return _TAG.sub(rename, prompt), tuple(dict.fromkeys(missing))


def words_here(
    prompts: Sequence[str], hashes: str, here: tuple[Word, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The prompts with their embeddings called as they are here, and who is not found."""
    missing: list[str] = []
    for name, digest in _pairs(hashes):
        word = find(here, digest) or find(here, name)
        if word is None:
            missing.append(f"Embedding not found here: {name}")
        elif word.id.casefold() != name.casefold():
            written = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
            prompts = [written.sub(lambda _, word=word: word.id, prompt) for prompt in prompts]
    return tuple(prompts), tuple(missing)


def _pairs(hashes: str) -> Iterator[tuple[str, str]]:
    for pair in hashes.split(","):
        name, colon, digest = pair.rpartition(":")
        if colon and digest.strip():
            yield name.strip(), digest.strip().casefold()
