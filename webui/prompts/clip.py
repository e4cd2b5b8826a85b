"""One CLIP text encoder reading texts: chunk by chunk, weights on its outputs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from webui.contract.request import Emphasis, Reading
from webui.errors import InvalidRequest
from webui.prompts.emphasis import emphasised
from webui.prompts.joining import Encoded
from webui.prompts.layout import Chunk
from webui.prompts.tokens import PromptTokenizer
from webui.weights.families import TextEncoder
from webui.weights.placement import like_of


@dataclass(frozen=True, eq=False)
class ClipReader:
    """A `TextReader` over a CLIP text model.

    Attributes:
        kind: its row in the family.
        module: transformers' CLIPTextModel, with or without projection.
        tokenizer: of its own vocabulary.
        reading: how brackets and chunks are taken.
        clip_skip: 1 takes the last layer, n the n-th from the end, where the row obeys it.
        learned: the vectors of each textual inversion by its name, (n, C).
    """

    kind: TextEncoder
    module: nn.Module
    tokenizer: PromptTokenizer
    reading: Reading
    clip_skip: int
    learned: Mapping[str, Tensor]

    def read(self, counts: Mapping[str, int]) -> dict[str, Encoded]:
        """Encode what one prompt says in turn, each as often as `counts` tells.

        The older UI runs them as one batch, so the shorter get empty chunks up to the longest, and
        emphasis restores the mean of all, each as often as it occurs. Chunks are read one by one
        all the same: an encoding never depends on the size of a batch. The pooled vector is the
        first chunk's, and has no weights. Raises InvalidRequest where the encoder has fewer layers
        than `clip_skip`.
        """
        triggers = self.tokenizer.triggers({k: len(v) for k, v in self.learned.items()})
        laid = [self.tokenizer.lay_out(text, self.reading, triggers).chunks for text in counts]
        empty = self.tokenizer.lay_out("").chunks[0]
        columns: list[list[Tensor]] = []
        pooled: list[Tensor | None] = []
        for place in range(max(map(len, laid))):
            chunks = [one[place] if place < len(one) else empty for one in laid]
            read = [self._read(chunk) for chunk in chunks]
            pooled = pooled or [one.pooled for one in read]
            columns.append(
                emphasised(
                    [one.context for one in read],
                    [chunk.weights for chunk in chunks],
                    list(counts.values()),
                    restore=self.reading.emphasis is Emphasis.ORIGINAL,
                )
            )
        rows = [torch.cat(row, dim=1) for row in zip(*columns, strict=True)]
        told = zip(counts, rows, pooled, strict=True)
        return {text: Encoded(row, vector) for text, row, vector in told}

    def _read(self, chunk: Chunk) -> Encoded:
        """The encoder's output for one chunk, (1, 77, C), and its pooled vector (1, P), float32."""
        encoder, layer = self.module, self._layer()
        model: Any = getattr(encoder, "text_model", encoder)
        device = like_of(encoder).device
        ids = torch.tensor([chunk.ids], device=device)  # (1, 77)
        with self._learned_vectors(model.embeddings.token_embedding, chunk):
            told = encoder(input_ids=ids, output_hidden_states=layer > 1)
        pooled = self._pooled(told) if self.kind.pools else None
        if layer == 1:
            return Encoded(told.last_hidden_state.float(), pooled)
        hidden = told.hidden_states[-layer]
        context = model.final_layer_norm(hidden) if self.kind.normed else hidden
        return Encoded(context.float(), pooled)

    @staticmethod
    def _pooled(told: Any) -> Tensor:
        """The vector of the end word, projected where the encoder has a projection."""
        vector: Tensor = told.text_embeds if "text_embeds" in told else told.pooler_output
        return vector.float()

    def _layer(self) -> int:
        """Which layer's output is read, counted from the end."""
        if not self.kind.skips:
            return self.kind.layer
        model: Any = getattr(self.module, "text_model", self.module)
        layers = len(model.encoder.layers)
        if self.clip_skip > layers:
            raise InvalidRequest(
                "model.clip_skip",
                f"The model's text encoder has {layers} layers; "
                f"clip skip cannot be {self.clip_skip}.",
            )
        return self.clip_skip

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
