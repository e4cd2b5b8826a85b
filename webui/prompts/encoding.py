"""From prompt to Timeline: chunks through the text encoder, then weights on its outputs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from webui.contract.request import Emphasis, Reading
from webui.diffusion.conditioning import Conditioning, Part, Segment, Timeline
from webui.errors import InvalidRequest
from webui.prompts.emphasis import emphasised
from webui.prompts.layout import USUAL, Chunk
from webui.prompts.syntax import Span, word
from webui.prompts.tokens import PromptTokenizer, tokenizer_for
from webui.weights.checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class Encoder:
    """A checkpoint's reading of texts.

    Attributes:
        checkpoint: whose text encoder reads.
        reading: how brackets and chunks are taken.
        clip_skip: 1 takes the encoder's last layer, n the n-th from the end, where the family's
            encoder obeys it.
        learned: the vectors of each textual inversion by its name, (n, C).
    """

    checkpoint: Checkpoint
    reading: Reading = USUAL
    clip_skip: int = 1
    learned: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    @property
    def tokenizer(self) -> PromptTokenizer:
        """The checkpoint's tokenizer."""
        return tokenizer_for(self.checkpoint.vocabularies[0])

    @torch.no_grad()
    def timeline(self, prompt: str, span: Span, negative: bool = False) -> Timeline:
        """Encode a prompt over the calls of a pass, each part with all it says.

        Raises InvalidRequest where the encoder has fewer layers than `clip_skip`, TooLarge for
        what no prompt is.
        """
        parts: list[Part] = []
        for part in word(prompt, span, negative).parts:
            told = self._variants([text for _, text in part.segments])
            segments = (Segment(end, told[text]) for end, text in part.segments)
            parts.append(Part(tuple(segments), part.weight))
        return Timeline(tuple(parts))

    @torch.no_grad()
    def text(self, prompt: str) -> Conditioning:
        """Encode a text that says one thing; context is (1, 77 * chunks, C) float32."""
        return self._variants([prompt])[prompt]

    def _variants(self, texts: Sequence[str]) -> dict[str, Conditioning]:
        """Encode what one prompt says in turn; equal texts are encoded once.

        The older UI runs them as one batch, so the shorter get empty chunks up to the longest, and
        emphasis restores the mean of all, each as often as it occurs. Chunks are read one by one
        all the same: an encoding never depends on the size of a batch.
        """
        counts = Counter(texts)
        triggers = self.tokenizer.triggers({k: len(v) for k, v in self.learned.items()})
        laid = [self.tokenizer.lay_out(text, self.reading, triggers).chunks for text in counts]
        empty = self.tokenizer.lay_out("").chunks[0]
        columns: list[list[Tensor]] = []
        for place in range(max(map(len, laid))):
            chunks = [one[place] if place < len(one) else empty for one in laid]
            columns.append(
                emphasised(
                    [self._read(chunk) for chunk in chunks],
                    [chunk.weights for chunk in chunks],
                    list(counts.values()),
                    restore=self.reading.emphasis is Emphasis.ORIGINAL,
                )
            )
        rows = zip(*columns, strict=True)
        return {
            text: Conditioning(torch.cat(row, dim=1))
            for text, row in zip(counts, rows, strict=True)
        }

    def _read(self, chunk: Chunk) -> Tensor:
        """The text encoder's output for one chunk, (1, 77, C) float32."""
        kind, encoder = self.checkpoint.family.encoders[0], self.checkpoint.text_encoders[0]
        skip = self.clip_skip if kind.skips else 1
        model: Any = getattr(encoder, "text_model", encoder)
        layers = len(model.encoder.layers)
        if skip > layers:
            raise InvalidRequest(
                "model.clip_skip",
                f"The model's text encoder has {layers} layers; clip skip cannot be {skip}.",
            )
        device = next(encoder.parameters()).device
        ids = torch.tensor([chunk.ids], device=device)  # (1, 77)
        with self._learned_vectors(model.embeddings.token_embedding, chunk):
            if skip == 1:
                return encoder(input_ids=ids).last_hidden_state.float()
            hidden = encoder(input_ids=ids, output_hidden_states=True).hidden_states[-skip]
        return model.final_layer_norm(hidden).float()

    @contextmanager
    def _learned_vectors(self, words: nn.Module, chunk: Chunk) -> Iterator[None]:
        """Let the layer of word vectors give the learned ones in their places."""

        def put(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            output = output.clone()  # (1, 77, C)
            for place, name in chunk.learned:
                vectors = self.learned[name][: output.shape[1] - 1 - place]
                output[0, place : place + len(vectors)] = vectors.to(output)
            return output

        if not chunk.learned:
            yield
            return
        hook = words.register_forward_hook(put)
        try:
            yield
        finally:
            hook.remove()


def encode_timeline(
    checkpoint: Checkpoint,
    prompt: str,
    span: Span,
    reading: Reading = USUAL,
    clip_skip: int = 1,
    negative: bool = False,
) -> Timeline:
    """Encode a prompt over the calls of a pass; see `Encoder.timeline`."""
    return Encoder(checkpoint, reading, clip_skip).timeline(prompt, span, negative)


def encode_prompt(checkpoint: Checkpoint, text: str, clip_skip: int = 1) -> Conditioning:
    """Encode a text that says one thing; see `Encoder.text`."""
    return Encoder(checkpoint, clip_skip=clip_skip).text(text)
