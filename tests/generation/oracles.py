"""diffusers' own pipelines around the modules of a loaded checkpoint, to compare with."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests import unets
from webui.contract.request import GenerationRequest, ImageRef
from webui.diffusion.samplers import Sampler, builtin_samplers
from webui.diffusion.schedules import Schedule, builtin_schedules
from webui.generation.effects import Layers
from webui.generation.embeddings import EmbeddingDesk, Glossary
from webui.generation.models import Models
from webui.generation.painting import Painter
from webui.generation.watching import Watch
from webui.library.catalog import Catalog
from webui.library.embeddings import EmbeddingCatalog
from webui.library.hashes import HashCache
from webui.library.vocabularies import BpeVocabulary
from webui.weights.adapters import Adapters
from webui.weights.checkpoint import Checkpoint
from webui.weights.loading import load_checkpoint


def write_still(folder: Path, name: str) -> Path:
    """A tiny model whose autoencoder has no spread, so that its samples are its means."""
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        state = load_file(unets.write_model(path, name))
        state["first_stage_model.quant_conv.weight"][4:] = 0
        state["first_stage_model.quant_conv.bias"][4:] = -30
        save_file(state, path)
    return path


class Studio:
    """Paints latents with the tiny models of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, Checkpoint] = {}
        samplers = {one.name: one for one in builtin_samplers()}
        schedules = {one.name: one for one in builtin_schedules()}
        self.painter = Painter(
            lambda name: cast(Sampler, samplers[name]),
            lambda name: cast(Schedule, schedules[name]),
            lambda: 0,
        )

    def checkpoint(self, name: str) -> Checkpoint:
        """The tiny model called `name`, loaded once."""
        if name not in self._loaded:
            path = write_still(self.folder, name)
            self._loaded[name] = load_checkpoint(path, "cpu", torch.float32, name, name * 4)
        return self._loaded[name]

    def latent(self, request: GenerationRequest, inputs: dict[ImageRef, bytes]) -> Tensor:
        """The clean latents of a request, (1, C, h, w)."""
        name = request.model.checkpoint
        for each in filter(None, (name, request.refiner and request.refiner.checkpoint)):
            self.checkpoint(each)
        catalog = Catalog([self.folder], HashCache(self.folder / "hashes.json"))
        with ExitStack() as stack, torch.inference_mode():
            models = Models(
                catalog,
                lambda file: self.checkpoint(file.stem),
                name,
                (),
                lambda _prompt: Adapters((), print),
                Glossary(EmbeddingDesk(EmbeddingCatalog(catalog.shelf, catalog.hashes)), print),
                stack,
            )
            watch = Watch([0], lambda _event: None, lambda: None, 0, 64)
            painted = self.painter.paint(models, [request], inputs, lambda _view: Layers(), watch)
        assert painted.latent is not None
        return painted.latent


def make_pipeline(kind: Any, checkpoint: Checkpoint, **more: Any) -> Any:
    """A pipeline of `kind` over the modules of `checkpoint`, with Euler on evenly spaced times."""
    from diffusers import EulerDiscreteScheduler

    parts: dict[str, Any] = dict(checkpoint.modules)
    rows = zip(checkpoint.family.encoders, checkpoint.vocabularies, strict=True)
    for row, words in rows:
        parts[row.tokenizer] = _tokenizer(cast(BpeVocabulary, words), row.pad)
    if "text_encoder_2" in parts:
        parts.setdefault("text_encoder", None)
        parts.setdefault("tokenizer", None)
    else:
        more = {"safety_checker": None, "feature_extractor": None, **more}
        more["requires_safety_checker"] = False
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="linspace",
        prediction_type=checkpoint.family.prediction,
    )
    pipeline = kind(**parts, **more, scheduler=scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _tokenizer(words: BpeVocabulary, pad: str) -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer(
        vocab=dict(words.tokens), merges=list(words.merges), pad_token=pad, model_max_length=77
    )
