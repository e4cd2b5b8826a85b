"""Which of the tensors in a pickle are the model, and under which names they are written.

Trainers wrap the weights (`state_dict`, `params_ema`) and put their own memory beside them; what
is plain and small of the rest becomes metadata.
"""

import json
from collections.abc import Iterator
from itertools import count
from typing import cast

from webui.errors import UnsupportedModel
from webui.library.conversion.pickled import Damaged
from webui.library.conversion.values import CONTAINERS, Opaque, StoredTensor, Value
from webui.library.entries import MAX_TENSORS

WRAPPERS = ("state_dict", "model_state_dict", "params_ema", "params", "g_ema", "model", "module")
"""Under which a file's weights lie, the better copy first."""
WORDS, VECTOR = "string_to_param", "emb_params"
"""How learned words lie in a pickle, and the name that one has in safetensors."""
HELD = "_parameters"
ASIDE = ("optimizer_states", "optimizer", "callbacks", "lr_schedulers", "loops")
DEEPEST = 12
MOST_VALUES = 1_000_000
LONGEST_NOTE = 200
MOST_NOTES = 40
PLAIN = (str, int, float, bool)

Tensors = dict[str, StoredTensor]


def select_weights(content: Value) -> tuple[Tensors, dict[str, str]]:
    """The model's tensors by name, and what is worth noting of the rest.

    Raises UnsupportedModel where there are none.
    """
    notes: dict[str, str] = {}
    tree = _unwrap(content, notes)
    tensors: Tensors = {}
    for name, tensor in _leaves(tree, "", 0, count()):
        if len(tensors) >= MAX_TENSORS:
            raise Damaged(f"it holds more than {MAX_TENSORS} tensors")
        tensors[name] = tensor
    if not tensors:
        raise UnsupportedModel("There are no tensors in the file: it is not a model.")
    return tensors, notes


def _unwrap(content: Value, notes: dict[str, str]) -> Value:
    """The innermost set of weights; what stands beside it is noted."""
    for _ in range(DEEPEST):
        if not isinstance(content, dict):
            return content
        table = cast("dict[Value, Value]", content)
        _note(table, notes)
        if WORDS in table:
            return _word(table[WORDS])
        inner = next((w for w in WRAPPERS if isinstance(table.get(w), dict) and table[w]), None)
        if inner is None or any(isinstance(value, StoredTensor) for value in table.values()):
            return {key: value for key, value in table.items() if key not in ASIDE}
        content = table[inner]
    raise Damaged("it is wrapped too often")


def _note(table: dict[Value, Value], notes: dict[str, str]) -> None:
    for key, value in table.items():
        if len(notes) >= MOST_NOTES:
            return
        if isinstance(key, str) and isinstance(value, PLAIN) and len(str(value)) <= LONGEST_NOTE:
            notes.setdefault(key[:LONGEST_NOTE], str(value))


def _word(words: Value) -> Value:
    """The vectors of a learned word under the name that readers of safetensors know."""
    found = _contained(words) or words
    table = cast("dict[Value, Value]", found) if isinstance(found, dict) else {}
    return {VECTOR: next(iter(table.values()))} if len(table) == 1 else table


def _contained(value: Value) -> dict[Value, Value] | None:
    """The tensors in a container of torch, which keeps them in its state."""
    if not isinstance(value, Opaque) or value.symbol.name not in CONTAINERS:
        return None
    states = [cast("dict[Value, Value]", s) for s in value.state if isinstance(s, dict)]
    found = next((s[HELD] for s in states if HELD in s), None)
    return cast("dict[Value, Value]", found) if isinstance(found, dict) else None


def _leaves(
    value: Value, name: str, depth: int, visits: Iterator[int]
) -> Iterator[tuple[str, StoredTensor]]:
    """Every tensor below `value` with its path; keys are joined by dots."""
    if depth > DEEPEST or next(visits) > MOST_VALUES:
        raise Damaged("it is nested too deep")
    if isinstance(value, StoredTensor):
        yield name or VECTOR, value
        return
    value = _contained(value) or value
    if isinstance(value, dict):
        pairs = [(str(key), v) for key, v in cast("dict[Value, Value]", value).items()]
    elif isinstance(value, list | tuple):
        pairs = [(str(index), v) for index, v in enumerate(cast("list[Value]", value))]
    else:
        return
    for key, inner in pairs:
        yield from _leaves(inner, f"{name}.{key}" if name else key, depth + 1, visits)


def notes_as_metadata(notes: dict[str, str], source: str) -> dict[str, str]:
    """What is written into the new file's header about where it came from."""
    told = {"converted_from": source}
    if notes:
        told["converted_notes"] = json.dumps(notes, ensure_ascii=True)
    return told
