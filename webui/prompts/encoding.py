"""From prompt to Conditioning: chunks through the text encoder, then weights on its outputs."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from webui.diffusion.conditioning import Conditioning
from webui.errors import InvalidRequest
from webui.prompts.tokens import Chunk, tokenizer_for
from webui.weights.checkpoint import Checkpoint

LEAST_MEAN = 0.02
"""The smallest mean, in standard deviations, that weighting is asked to keep."""


def encode_prompts(
    checkpoint: Checkpoint, texts: Iterable[str], clip_skip: int = 1
) -> tuple[Conditioning, ...]:
    """Encode each text; equal texts are encoded once."""
    known: dict[str, Conditioning] = {}
    return tuple(
        known.setdefault(text, known.get(text) or encode_prompt(checkpoint, text, clip_skip))
        for text in texts
    )


@torch.no_grad()
def encode_prompt(checkpoint: Checkpoint, text: str, clip_skip: int = 1) -> Conditioning:
    """Encode one prompt with its weights; context is (1, 77 * chunks, C) float32.

    `clip_skip` 1 takes the last layer, n the n-th from the end, where the family's encoder obeys
    it. Chunks are read one by one, so that a prompt's encoding never depends on another's. Prompts
    of different lengths stay so: the denoiser calls the network once for each length.

    Raises InvalidRequest where the encoder has fewer layers than `clip_skip`.
    """
    kind, encoder = checkpoint.family.encoders[0], checkpoint.text_encoders[0]
    tokenizer = tokenizer_for(checkpoint.vocabularies[0])
    skip = clip_skip if kind.skips else 1
    parts = [
        weighted(_read(encoder, chunk, skip), chunk.weights) for chunk in tokenizer.chunks(text)
    ]
    return Conditioning(context=torch.cat(parts, dim=1))


def weighted(outputs: Tensor, weights: Sequence[float]) -> Tensor:
    """Multiply each token's vector by its weight and bring the mean back to what it was.

    `outputs` is (1, 77, C). The mean is over the whole chunk: the older UI's "Original" emphasis.
    CLIP's outputs have a mean of a tenth of their deviation; where an encoder's mean is close to
    zero, as a small one's may be, it has no scale to bring back and the outputs stay as multiplied.
    """
    if all(weight == 1.0 for weight in weights):
        return outputs
    factors = torch.tensor(weights, dtype=outputs.dtype, device=outputs.device)
    scaled = outputs * factors[None, :, None]
    mean, new_mean = outputs.mean(), scaled.mean()
    if float(mean.abs()) < LEAST_MEAN * float(outputs.std()) or float(new_mean) == 0:
        return scaled
    return scaled * (mean / new_mean)


def _read(encoder: nn.Module, chunk: Chunk, clip_skip: int) -> Tensor:
    """The text encoder's output for one chunk, (1, 77, C) float32."""
    model: Any = getattr(encoder, "text_model", encoder)
    layers = len(model.encoder.layers)
    if clip_skip > layers:
        raise InvalidRequest(
            "model.clip_skip",
            f"The model's text encoder has {layers} layers; clip skip cannot be {clip_skip}.",
        )
    device = next(encoder.parameters()).device
    ids = torch.tensor([chunk.ids], device=device)  # (1, 77)
    if clip_skip == 1:
        return encoder(input_ids=ids).last_hidden_state.float()
    hidden = encoder(input_ids=ids, output_hidden_states=True).hidden_states[-clip_skip]
    return model.final_layer_norm(hidden).float()
