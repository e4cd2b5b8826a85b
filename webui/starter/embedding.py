"""A textual-inversion embedding (Gal and others 2022): a few new words for winter nights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import CLIPTokenizer

from webui.starter.basis import Basis, Batch
from webui.starter.batches import LatentSet
from webui.starter.networks import TEXT_WIDTH
from webui.starter.scenes import Scene
from webui.starter.tokenizer import MAX_TOKENS

VECTORS = 3
RATE = 2e-2
SPREAD = 0.25
TEMPLATES = (
    "{word}",
    "{word}, {thing}",
    "{thing}, {word}",
    "a picture of {thing}, {word}",
    "{thing} in {word}",
)


def is_polar_night(scene: Scene) -> bool:
    """Tell whether a scene shows what the new words shall mean."""
    return (scene.season, scene.light) == ("winter", "night") and bool(scene.things)


class Embedding(nn.Module):
    """Vectors that stand in for tokens no text contains; the text encoder reads them."""

    def __init__(self, basis: Basis, seed: int) -> None:
        """Begin at random words, and hook the vectors into the text encoder."""
        super().__init__()
        torch.manual_seed(seed)
        self.vectors = nn.Parameter(torch.randn(VECTORS, TEXT_WIDTH) * SPREAD)
        # Control characters: no caption has them, and every byte has a token.
        self.places = [basis.tokenizer.convert_tokens_to_ids(chr(256 + n)) for n in range(VECTORS)]
        basis.text.get_input_embeddings().register_forward_hook(self.insert)

    def insert(
        self, _: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor
    ) -> torch.Tensor:
        """Put the vectors where their tokens are."""
        for vector, place in zip(self.vectors, self.places, strict=True):
            made = torch.where((given[0] == place)[..., None], vector.to(made.dtype), made)
        return made

    def pack(self) -> dict[str, torch.Tensor]:
        """Name the vectors [n, 128] as embedding files for Stable Diffusion 1 do."""
        return {"emb_params": self.vectors}


@dataclass
class EmbeddingLesson:
    """Vectors that learn from scenes which no other word of the text describes."""

    basis: Basis
    source: LatentSet
    embedding: Embedding
    seed: int
    stage: int

    def learn(self, step: int) -> torch.Tensor:
        """Guess v for the batch of ``step`` from the new words; returns the loss."""
        batch = self.basis.draw(self.source, (self.seed, step, self.stage), 1.0)
        places = {row: index for index, row in enumerate(self.source.rows)}
        scenes = [self.source.scenes[places[row]] for row in batch.rows]
        ids = [self.write(scene, batch.rng) for scene in scenes]
        batch.ids = torch.tensor(ids, device=batch.ids.device)
        return self.basis.grade(batch, self.guess)

    def write(self, scene: Scene, rng: np.random.Generator) -> list[int]:
        """Write a caption as token ids [77] that names at most one thing beside the new words."""
        thing = scene.things[int(rng.integers(len(scene.things)))]
        template = TEMPLATES[int(rng.integers(len(TEMPLATES)))]
        named = f"a {thing.paint} {thing.kind}" if thing.paint else f"a {thing.kind}"
        text = template.format(thing=named, word="\0")
        before, after = (encode_bare(self.basis.tokenizer, part) for part in text.split("\0"))
        end = self.basis.tokenizer.eos_token_id
        ids = [self.basis.tokenizer.bos_token_id, *before, *self.embedding.places, *after]
        return [*ids, *[end] * (MAX_TOKENS - len(ids))]

    def guess(self, batch: Batch) -> torch.Tensor:
        """Guess v [b, 4, h, w]."""
        states = self.basis.read(batch.ids)
        return self.basis.unet(batch.noised.latents, batch.noised.times, states).sample


def encode_bare(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    """Turn text into token ids without start and end."""
    return tokenizer(text, add_special_tokens=False)["input_ids"] if text.strip() else []
