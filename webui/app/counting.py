"""The token counter under the prompt, by the tokenizer of the checkpoint in use."""

from collections.abc import Callable

from webui.library.catalog import ModelFile
from webui.library.vocabularies import read_clip_vocabulary, read_vocabulary
from webui.prompts.tokens import PromptTokenizer


class TokenCounter:
    """Counts with the default checkpoint's tokenizer, which is read once."""

    def __init__(self, checkpoint: Callable[[], ModelFile]) -> None:
        self._checkpoint = checkpoint
        self._known: dict[str, PromptTokenizer] = {}

    def __call__(self, text: str) -> tuple[int, int]:
        """Tokens that a prompt takes, and the room of its chunks.

        Raises NotFound without a checkpoint, UnsupportedModel or Unavailable without a vocabulary.
        """
        file = self._checkpoint()
        if file.name not in self._known:
            folder = file.path / "tokenizer"
            vocabulary = read_vocabulary(folder) if folder.is_dir() else read_clip_vocabulary()
            self._known[file.name] = PromptTokenizer(vocabulary)
        return self._known[file.name].count(text)
