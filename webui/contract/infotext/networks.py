"""Lora hashes: which files the tags of a prompt meant, whatever those are called here."""

import re
from collections.abc import Iterator

from webui.contract.events import Word
from webui.contract.vocabulary import find

HASHES = "Lora hashes"
"""The key; its value is `name: hash, name: hash` with the first twelve digits of each."""

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


def _pairs(hashes: str) -> Iterator[tuple[str, str]]:
    for pair in hashes.split(","):
        name, colon, digest = pair.rpartition(":")
        if colon and digest.strip():
            yield name.strip(), digest.strip().casefold()
