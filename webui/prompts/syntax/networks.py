"""Tags for extra networks: `<lora:name:te:unet:dyn>` and its kin, cut out of the prompt."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from webui.prompts.syntax.blocks import BlockWeights, is_blocks, read_blocks

TAG = re.compile(r"<(\w+):([^>]+)>")
SAME_AS = {"lyco": "lora"}
KINDS = ("lora", "hypernet")
KEYS = frozenset(("te", "unet", "dyn", "lbw", "w"))
"""The arguments that are told by name."""


@dataclass(frozen=True)
class NetworkTag:
    """A wish for an extra network.

    Attributes:
        kind: `lora` or `hypernet`; any other word is a kind that nobody knows.
        name: file name without its ending, or an alias.
        te: strength in the text encoder; a hypernetwork's only strength.
        unet: strength in the denoising network.
        dyn: the rank that a LoRA is cut down to; None leaves it whole.
        blocks: factors for blocks of the network; none where all have 1.
        source: the tag as it was written.
        fault: what is wrong with it, as a sentence; such a tag does nothing.
        ignored: the arguments that nobody knows, as they were written.
    """

    kind: str
    name: str
    te: float = 1.0
    unet: float = 1.0
    dyn: int | None = None
    source: str = ""
    fault: str = ""
    blocks: BlockWeights = ()
    ignored: tuple[str, ...] = ()


def cut_tags(prompt: str) -> tuple[str, tuple[NetworkTag, ...]]:
    """The prompt without its tags, and the tags in their order; unknown kinds are cut too."""
    if "<" not in prompt:
        return prompt, ()
    tags = tuple(_read(match[1], match[2], match[0]) for match in TAG.finditer(prompt))
    return TAG.sub("", prompt), tags


def _read(word: str, rest: str, source: str) -> NetworkTag:
    """A tag from its word and arguments; `key=value` arguments win over places."""
    kind = SAME_AS.get(word, word)
    places, named = list[str](), dict[str, str]()
    for argument in rest.split(":"):
        key, sign, value = argument.partition("=")
        if sign and "=" not in value:
            named[key] = value
        else:
            places.append(argument)
    name = places[0] if places else ""
    if kind not in KINDS:
        return NetworkTag(kind, name, source=source, fault=f"There is no kind of network {kind!r}.")
    if not name:
        return NetworkTag(kind, name, source=source, fault=f"{source} names no network.")
    unknown = tuple(f"{key}={value}" for key, value in named.items() if key not in KEYS)
    lists = [named.get("lbw", named.get("w", "")), *filter(is_blocks, places[2:])]
    try:
        blocks = read_blocks(next(filter(None, lists), ""))
    except ValueError as error:
        return NetworkTag(kind, name, source=source, fault=f"{source}: {error}")
    try:
        numbers = [place for place in places[1:] if not is_blocks(place)]
        te, unet, dyn = _strengths(numbers, named)
    except ValueError:
        fault = f"The strength in {source} is no number."
        return NetworkTag(kind, name, source=source, fault=fault)
    return NetworkTag(kind, name, te, unet, dyn, source, "", blocks, unknown)


def _strengths(places: Sequence[str], named: dict[str, str]) -> tuple[float, float, int | None]:
    te = _number(named.get("te", places[0] if places else "1"))
    unet = _number(named["unet"] if "unet" in named else places[1] if len(places) > 1 else str(te))
    dyn = named.get("dyn", places[2] if len(places) > 2 else None)
    return te, unet, None if dyn is None else int(dyn)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
