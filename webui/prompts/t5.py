"""T5 reading texts: each in one piece, weights on its outputs."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from webui.contract.request import Reading
from webui.prompts.emphasis import emphasised
from webui.prompts.joining import Encoded
from webui.prompts.t5_tokens import T5Tokenizer
from webui.weights.families import TextEncoder


@dataclass(frozen=True, eq=False)
class T5Reader:
    """A `TextReader` over transformers' T5EncoderModel.

    Attributes:
        kind: its row in the family; its `length` is what short prompts are filled up to.
        module: the encoder.
        tokenizer: of the user's copy of T5's vocabulary.
        reading: how brackets are taken.
    """

    kind: TextEncoder
    module: nn.Module
    tokenizer: T5Tokenizer
    reading: Reading

    def read(self, counts: Mapping[str, int]) -> dict[str, Encoded]:
        """Encode what one prompt says in turn; all are as long as the longest.

        Padding is read along with the words, since the networks were trained with it. Weights
        multiply the outputs as they are: T5's have no mean that could be brought back.
        """
        chunks = [self.tokenizer.lay_out(text, self.kind.length, self.reading) for text in counts]
        longest = max(len(chunk.ids) for chunk in chunks)
        chunks = [self.tokenizer.lay_out(text, longest, self.reading) for text in counts]
        device = next(self.module.parameters()).device
        told: dict[str, Encoded] = {}
        for text, chunk in zip(counts, chunks, strict=True):
            ids = torch.tensor([chunk.ids], device=device)  # (1, T)
            context = self.module(input_ids=ids).last_hidden_state.float()  # (1, T, C)
            (context,) = emphasised([context], [chunk.weights], restore=False)
            told[text] = Encoded(context)
        return told
