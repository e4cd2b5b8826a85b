"""From prompt to Timeline: every text encoder of the model reads, and their outputs are joined."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from webui.contract.request import Reading
from webui.diffusion.conditioning import Conditioning, Part, Segment, Timeline
from webui.library.t5_vocabulary import UnigramVocabulary
from webui.library.vocabularies import BpeVocabulary
from webui.prompts.clip import ClipReader
from webui.prompts.joining import TextReader, join
from webui.prompts.layout import USUAL
from webui.prompts.syntax import Span, word
from webui.prompts.t5 import T5Reader
from webui.prompts.t5_tokens import t5_tokenizer_for
from webui.prompts.tokens import tokenizer_for
from webui.weights.checkpoint import Checkpoint, Vocabulary
from webui.weights.families import TextEncoder


@dataclass(frozen=True, eq=False)
class Encoder:
    """A checkpoint's reading of texts.

    Attributes:
        checkpoint: whose text encoders read.
        reading: how brackets and chunks are taken.
        clip_skip: 1 takes the encoder's last layer, n the n-th from the end, where the family's
            encoder obeys it.
        learned: by text encoder's folder, the vectors of each textual inversion by its name,
            (n, C).
    """

    checkpoint: Checkpoint
    reading: Reading = USUAL
    clip_skip: int = 1
    learned: Mapping[str, Mapping[str, Tensor]] = field(
        default_factory=dict[str, Mapping[str, Tensor]]
    )

    @torch.no_grad()
    def timeline(self, prompt: str, span: Span, negative: bool = False) -> Timeline:
        """Encode a prompt over the calls of a pass, each part with all it says.

        Raises InvalidRequest where the encoder has fewer layers than `clip_skip`, TooLarge for
        what no prompt is.
        """
        parts: list[Part] = []
        for part in word(prompt, span, negative).parts:
            told = self._variants([text for _, text in part.segments], negative)
            segments = (Segment(end, told[text]) for end, text in part.segments)
            parts.append(Part(tuple(segments), part.weight))
        return Timeline(tuple(parts))

    @torch.no_grad()
    def text(self, prompt: str) -> Conditioning:
        """Encode a text that says one thing; context is (1, T, C) float32."""
        return self._variants([prompt])[prompt]

    def _variants(self, texts: Sequence[str], negative: bool = False) -> dict[str, Conditioning]:
        """Encode what one prompt says in turn; equal texts are encoded once."""
        family, counts = self.checkpoint.family, Counter(texts)
        read = [reader.read(counts) for reader in self._readers()]
        network: Any = self.checkpoint.network.module
        width = network.config.get("joint_attention_dim", 0)
        told = {text: join(family.joining, [one[text] for one in read], width) for text in counts}
        if negative and family.silent_negative and not any(counts):
            return {text: _silent(one) for text, one in told.items()}
        return told

    def _readers(self) -> list[TextReader]:
        checkpoint = self.checkpoint
        rows = zip(
            checkpoint.family.encoders,
            checkpoint.text_encoders,
            checkpoint.vocabularies,
            strict=True,
        )
        return [READERS[kind.kind](self, kind, module, words) for kind, module, words in rows]


def _clip(encoder: Encoder, kind: TextEncoder, module: nn.Module, words: Vocabulary) -> TextReader:
    assert isinstance(words, BpeVocabulary)
    learned = encoder.learned.get(kind.folder, {})
    tokenizer = tokenizer_for(words)
    return ClipReader(kind, module, tokenizer, encoder.reading, encoder.clip_skip, learned)


def _t5(encoder: Encoder, kind: TextEncoder, module: nn.Module, words: Vocabulary) -> TextReader:
    assert isinstance(words, UnigramVocabulary)
    return T5Reader(kind, module, t5_tokenizer_for(words), encoder.reading)


READERS: Mapping[str, Callable[[Encoder, TextEncoder, nn.Module, Vocabulary], TextReader]] = {
    "CLIPTextModel": _clip,
    "CLIPTextModelWithProjection": _clip,
    "T5EncoderModel": _t5,
}
"""Who reads for each kind of text encoder."""


def _silent(conditioning: Conditioning) -> Conditioning:
    """All zeros, which some networks learned as having no prompt."""
    pooled = conditioning.pooled
    return replace(
        conditioning,
        context=torch.zeros_like(conditioning.context),
        pooled=None if pooled is None else torch.zeros_like(pooled),
    )


def encode_timeline(
    checkpoint: Checkpoint,
    prompt: str,
    span: Span,
    reading: Reading = USUAL,
    clip_skip: int = 1,
    negative: bool = False,
    learned: Mapping[str, Mapping[str, Tensor]] = MappingProxyType({}),
) -> Timeline:
    """Encode a prompt over the calls of a pass; see `Encoder.timeline`."""
    return Encoder(checkpoint, reading, clip_skip, learned).timeline(prompt, span, negative)


def encode_prompt(checkpoint: Checkpoint, text: str, clip_skip: int = 1) -> Conditioning:
    """Encode a text that says one thing; see `Encoder.text`."""
    return Encoder(checkpoint, clip_skip=clip_skip).text(text)
