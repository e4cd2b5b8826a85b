"""Infotexts of every age and of other programs, each with the request that it must give."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from webui.contract.events import Word
from webui.contract.fields import nest
from webui.contract.infotext import read
from webui.contract.request import GenerationRequest
from webui.contract.vocabulary import builtin

FOLDER = Path(__file__).parent / "old_infotexts"
WORDS = builtin() | {
    "checkpoints": (
        Word(
            id="forest-v2.safetensors", label="forest-v2.safetensors [a1535d0a42]",
            aliases=("forest-v2", "a1535d0a42"),
        ),
        Word(
            id="polish_1.0.safetensors", label="polish_1.0.safetensors [7440042bbd]",
            aliases=("polish_1.0", "7440042bbd"),
        ),
    ),
    "loras": (),
}  # fmt: skip
SILENT_MEANS = {"noise.source": "gpu"}


@dataclass(frozen=True)
class Old:
    """A text, the request by path, and what is told apart from it."""

    text: str
    request: dict[str, Any]
    strength: float | None
    told: str


def load(path: Path) -> Old:
    text, *parts = path.read_text(encoding="utf-8").split("\n=== ")
    told = {title: rest for title, _, rest in (part.partition(" ") for part in parts[1:])}
    lines = parts[0].strip().split("\n")[1:]
    values = {path: json.loads(value) for path, _, value in (line.partition(" ") for line in lines)}
    strength = float(told["strength"]) if "strength" in told else None
    return Old(text, values, strength, told.get("told", "").strip())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_an_old_picture_gives_its_request_back(path: Path) -> None:
    old = load(path)
    restored = read(old.text, WORDS)
    assert restored.request == nest(GenerationRequest(), SILENT_MEANS | old.request)
    assert restored.denoising_strength == old.strength
    assert old.told in " ".join(restored.notices)


def test_there_are_many_of_them() -> None:
    assert len(list(FOLDER.glob("*.txt"))) >= 30
