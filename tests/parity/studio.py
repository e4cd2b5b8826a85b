"""The whole program over the reference checkpoint: requests go in by the older HTTP surface."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from torch import Tensor

from tests.parity.cases import Case, pixels
from webui.app import House, build_app, build_house
from webui.diffusion.conditioning import Timeline
from webui.generation import latents
from webui.generation.texts import Texts, Words
from webui.jobs.workers.inprocess import InProcessWorker
from webui.settings import Engine, Folders, Settings

BASE = "http://127.0.0.1:7860"


@dataclass(frozen=True, eq=False)
class Answer:
    """What this program made of a case; `latent` is (B, 4, H/8, W/8), `texts` as in Case."""

    pictures: list[np.ndarray]
    texts: dict[str, np.ndarray]
    latent: np.ndarray
    infotexts: list[str]
    seconds: float


@dataclass(frozen=True, eq=False)
class Studio:
    """The program, every latent that it decodes, and the words of every pass."""

    house: House
    client: TestClient
    decoded: list[np.ndarray]
    told: list[Words]

    def run(self, case: Case) -> Answer:
        """Post a case's request and wait for the answer."""
        self.decoded.clear()
        self.told.clear()
        started = time.perf_counter()
        reply = self.post(case)
        assert reply.status_code == 200, reply.text
        seconds = time.perf_counter() - started
        answer: dict[str, Any] = reply.json()
        pictures = [pixels(base64.b64decode(image)) for image in answer["images"]]
        # A second pass from pixels decodes the first one too: the last of each item counts.
        each = len(self.decoded) // len(pictures)
        latent = np.concatenate(self.decoded[each - 1 :: each])
        first = self.told[0]
        texts = {"cond": _encoded(first.cond), "uncond": _encoded(first.uncond)}
        return Answer(pictures, texts, latent, json.loads(answer["info"])["infotexts"], seconds)

    def post(self, case: Case) -> Any:
        """Post a case's request."""
        return self.client.post(case.endpoint, json=case.body)


@contextmanager
def open_studio(checkpoint: Path, data: Path) -> Iterator[Studio]:
    """The program with this checkpoint on the CPU in single precision, all in this process."""
    decoded: list[np.ndarray] = []
    told: list[Words] = []
    decode, words = latents.decode, Texts.words

    def heard(texts: Texts, *given: Any) -> Words:
        told.append(words(texts, *given))
        return told[-1]

    def noted(checkpoint_: Any, latent: Tensor, *more: Any, **named: Any) -> Tensor:
        decoded.append(latent.detach().cpu().float().numpy().copy())
        return decode(checkpoint_, latent, *more, **named)

    folders = Folders(
        config_file=data / "config.json",
        data_dir=data / "data",
        models_dir=checkpoint.parent,
        outputs_dir=data / "outputs",
        extensions_dir=data / "extensions",
    )
    engine = Engine(checkpoint=checkpoint.name, device="cpu", dtype="float32")
    house = build_house(Settings(folders=folders, engine=engine), InProcessWorker)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latents, "decode", noted)
        patch.setattr(Texts, "words", heard)
        with TestClient(build_app(house, with_page=False), BASE) as client:
            yield Studio(house, client, decoded, told)


def _encoded(timeline: Timeline) -> np.ndarray:
    """What is told at the first call, (parts, tokens, channels)."""
    return np.concatenate([part.context.float().numpy() for part in timeline.at(0)])
