"""The prompts of a pass, encoded over its calls; what was read once is remembered."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from webui.contract.request import Framing, GenerationRequest, Reading
from webui.diffusion.conditioning import Padding, Timeline, pad_by_repeating, pad_with
from webui.generation.caches import Recent
from webui.generation.embeddings import SILENT, Spoken
from webui.prompts.encoding import encode_prompt, encode_timeline
from webui.prompts.syntax import Span, word
from webui.weights.checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class Words:
    """What a pass is told: prompt, negative prompt, and how they come to one length."""

    cond: Timeline
    uncond: Timeline
    padding: Padding | None = None


Look = Callable[[Checkpoint, Sequence[str], Reading], Spoken]


def silent(_checkpoint: Checkpoint, _texts: Sequence[str], _reading: Reading) -> Spoken:
    """No embeddings at all."""
    return SILENT


class Texts:
    """Reads prompts by the text encoders of checkpoints."""

    def __init__(self) -> None:
        self._timelines = Recent[Timeline](32)

    def forget(self) -> None:
        """Drop what was read by checkpoints that are gone."""
        self._timelines.clear()

    def words(
        self,
        checkpoint: Checkpoint,
        request: GenerationRequest,
        span: Span,
        size: tuple[int, int],
        state: Hashable = None,
        look: Look = silent,
    ) -> Words:
        """Both prompts of `request` over the calls of `span`, for a picture of `size` in pixels.

        `state` tells what the text encoders are changed by: the same prompt reads differently
        under another one. `look` finds the embeddings that texts name.
        """
        reading, clip_skip = request.reading, request.model.clip_skip
        encoders = request.model.text_encoders
        numbers = _numbers(checkpoint, request.framing, size)
        guidance = _guidance(checkpoint, request.sampling.distilled_cfg_scale)

        def timeline(text: str, negative: bool) -> Timeline:
            spoken = look(checkpoint, texts_of(text, span, negative), reading)
            key = (
                checkpoint.sha256, encoders, state, text, span, reading, clip_skip, negative,
                spoken.identity,
            )  # fmt: skip
            told = self._timelines.get(
                key,
                lambda: encode_timeline(
                    checkpoint, text, span, reading, clip_skip, negative, spoken.vectors
                ),
            )
            ids = numbers(negative)
            return told.each(lambda one: replace(one, size_ids=ids, guidance=guidance))

        return Words(
            timeline(request.prompt.positive, False),
            timeline(request.prompt.negative, True),
            _padding(checkpoint, reading, clip_skip),
        )


def texts_of(prompt: str, span: Span, negative: bool) -> tuple[str, ...]:
    """All that a prompt says over a pass, each text once."""
    parts = word(prompt, span, negative).parts
    return tuple(dict.fromkeys(text for part in parts for _, text in part.segments))


def _guidance(checkpoint: Checkpoint, scale: float) -> Tensor | None:
    """What a network that learned guidance by heart is told, (1,); None for any other."""
    network: Any = checkpoint.network.module
    return torch.tensor([scale]) if network.config.get("guidance_embeds") else None


def _numbers(
    checkpoint: Checkpoint, framing: Framing, size: tuple[int, int]
) -> Callable[[bool], Tensor | None]:
    """What is told beside the text of a prompt, or of a negative one: (1, 5 or 6), or None."""
    width, height = size
    whole = (height, width, framing.crop_top, framing.crop_left)

    def numbers(negative: bool) -> Tensor | None:
        if checkpoint.family.numbers == "none":
            return None
        if checkpoint.family.numbers == "sizes":
            return torch.tensor([[*whole, height, width]], dtype=torch.float32)
        score = framing.negative_aesthetic_score if negative else framing.aesthetic_score
        return torch.tensor([[*whole, score]], dtype=torch.float32)

    return numbers


def _padding(checkpoint: Checkpoint, reading: Reading, clip_skip: int) -> Padding | None:
    if reading.pad_conds_v0:
        return pad_by_repeating
    return pad_with(encode_prompt(checkpoint, "", clip_skip)) if reading.pad_conds else None
