"""What a LoRA was trained on: the commonest words of its pictures, from its header."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, cast

from webui.contract.fields import Frozen
from webui.library.headers import read_header

KEY = "ss_tag_frequency"
MOST = 24
LONGEST = 100


class TrainingTag(Frozen):
    """A word, and how many pictures had it."""

    tag: str
    count: int


def training_tags(path: Path) -> tuple[TrainingTag, ...]:
    """The words that stood at most pictures, commonest first; none where the file tells none.

    Raises UnsupportedModel and StorageError where its header cannot be read.
    """
    return read_tags(read_header(path).metadata.get(KEY, ""))


def read_tags(text: str) -> tuple[TrainingTag, ...]:
    """The words in a table of counts by data set, as trainers write it; damaged ones give none."""
    try:
        told: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return ()
    counted: Counter[str] = Counter()
    for words in cast("dict[str, Any]", told).values() if isinstance(told, dict) else ():
        for word, count in cast("dict[str, Any]", words).items() if isinstance(words, dict) else ():
            if isinstance(count, int) and count > 0 and 0 < len(word.strip()) <= LONGEST:
                counted[word.strip()] += count
    return tuple(TrainingTag(tag=word, count=count) for word, count in counted.most_common(MOST))
