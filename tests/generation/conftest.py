"""Engines over tiny checkpoints and over the shipped starter model."""

import io
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from webui.contract.events import Artifact, Event
from webui.contract.fields import nest
from webui.contract.items import Item
from webui.contract.request import Blob, GenerationRequest, ImageRef
from webui.contract.worker import Engine, EngineConfig
from webui.generation.entry import make_engine

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Studio:
    """An engine, and short ways to ask it for pictures."""

    engine: Engine
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def run(
        self,
        *requests: GenerationRequest,
        inputs: Mapping[ImageRef, bytes] | None = None,
        check: Callable[[], Any] = lambda: None,
    ) -> list[Event]:
        """All the events of one run."""
        events: list[Event] = []
        items = [Item(index=i, request=r) for i, r in enumerate(requests)]
        self.engine.run(items, inputs or {}, events.append, check)
        return events

    def request(self, values: Mapping[str, Any] | None = None) -> GenerationRequest:
        """The default request with values by path."""
        return nest(GenerationRequest(), {**self.defaults, **(values or {})})

    def picture(
        self,
        values: Mapping[str, Any] | None = None,
        inputs: Mapping[ImageRef, bytes] | None = None,
    ) -> np.ndarray:
        """The one picture of a request, as uint8 (H, W, 3)."""
        return pixels(pictures(self.run(self.request(values), inputs=inputs))[0])

    def paint(self, tree: Mapping[str, Any], inputs: Mapping[ImageRef, bytes]) -> np.ndarray:
        """The one picture of a whole request, given as a tree."""
        request = GenerationRequest.model_validate(tree)
        return pixels(pictures(self.run(request, inputs=inputs))[0])


def pictures(events: list[Event]) -> list[Artifact]:
    """The artifacts among events."""
    return [e for e in events if isinstance(e, Artifact)]


def pixels(artifact: Artifact) -> np.ndarray:
    """A picture's values."""
    return np.asarray(Image.open(io.BytesIO(artifact.data)))


def make_studio(models: Path, data: Path, defaults: Mapping[str, Any], **config: Any) -> Studio:
    """A studio over a models folder."""
    torch.set_num_threads(1)
    config = {"preview_seconds": 0.0001, **config}
    engine = make_engine(EngineConfig(models_dir=models, data_dir=data, **config))
    return Studio(engine, defaults)


TINY = {
    "prompt.positive": "a (red:1.3) house",
    "prompt.negative": "blurry",
    "sampling.steps": 4,
    "canvas.width": 64,
    "canvas.height": 64,
    "noise.seed": 7,
}


@pytest.fixture(scope="session")
def studio(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """An engine over one tiny random checkpoint."""
    models = tmp_path_factory.mktemp("studio-models")
    shutil.copytree(tiny_folder, models / "tiny")
    return make_studio(models, tmp_path_factory.mktemp("studio-data"), TINY)


@pytest.fixture(scope="session")
def starter_engine(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """An engine over the shipped starter model."""
    return make_studio(ROOT / "models", tmp_path_factory.mktemp("starter-data"), {})


@pytest.fixture(scope="session")
def source_png() -> bytes:
    """A picture of 96x64 with a gradient and a square."""
    y, x = np.mgrid[0:64, 0:96]
    array = np.stack([x * 2, y * 3, np.full_like(x, 90)], axis=-1).astype(np.uint8)
    array[20:40, 30:60] = (250, 240, 10)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def source() -> Blob:
    """The reference under which tests hand in the source picture."""
    return Blob(sha256="b" * 64)


@pytest.fixture(scope="session")
def duet(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """An engine over two checkpoints of one kind, "tiny" and "other"; tiny is the default."""
    models = tmp_path_factory.mktemp("duet-models")
    shutil.copytree(tiny_folder, models / "tiny")
    shutil.copytree(tiny_folder, models / "other")
    weights = models / "other" / "unet" / "diffusion_pytorch_model.safetensors"
    changed = {name: tensor * 1.1 for name, tensor in load_file(weights).items()}
    save_file(changed, weights)
    defaults = {**TINY, "model.checkpoint": "tiny"}
    data = tmp_path_factory.mktemp("duet-data")
    return make_studio(models, data, defaults, preview_seconds=0.0, keep_models=2)
