"""The vocabularies of a model's text encoders: its own, or the published ones."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from webui.errors import Unavailable, UnsupportedModel
from webui.library.embedded import Parts
from webui.library.t5_vocabulary import find_t5_tokenizer, read_t5_vocabulary
from webui.library.vocabularies import parse_vocabulary, read_clip_vocabulary, read_vocabulary
from webui.weights.checkpoint import Vocabulary
from webui.weights.families import TextEncoder

T5 = "T5EncoderModel"


def words_of_folder(encoder: TextEncoder, folder: Path) -> Vocabulary:
    """The vocabulary in a tokenizer's folder. Raises UnsupportedModel."""
    return read_t5_vocabulary(folder) if encoder.kind == T5 else read_vocabulary(folder)


def words_of_file(
    encoder: TextEncoder,
    config: Mapping[str, Any],
    own: Parts | None,
    folders: Iterable[Path],
    fetch: Callable[[], Path] | None = None,
) -> Vocabulary:
    """The file's own vocabulary, or the one that all others of its families are made for.

    T5's is looked for in `folders`; where it is not, `fetch` may bring it. Raises
    UnsupportedModel, Unavailable.
    """
    if encoder.kind == T5:
        return read_t5_vocabulary(_t5_tokenizer(folders, fetch))
    if own is not None and encoder.tokenizer in own:
        return parse_vocabulary(own[encoder.tokenizer], encoder.tokenizer)
    vocabulary = read_clip_vocabulary(encoder.pad)
    if config["vocab_size"] < len(vocabulary):
        raise UnsupportedModel(
            f"The file's text encoder knows {config['vocab_size']} words; "
            f"CLIP's vocabulary has {len(vocabulary)}."
        )
    return vocabulary


def _t5_tokenizer(folders: Iterable[Path], fetch: Callable[[], Path] | None) -> Path:
    try:
        return find_t5_tokenizer(folders)
    except Unavailable:
        if fetch is None:
            raise
        return fetch()
