"""A house without rooms for the page: real blobs and infotexts, jobs that are only noted."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from webui.contract import infotext, vocabulary
from webui.contract.advice import Advice
from webui.contract.events import Execution, Word
from webui.contract.request import GenerationRequest
from webui.effects.forms import FORMS
from webui.errors import NotFound
from webui.images.blobs import BlobStore
from webui.images.metadata import read_infotext
from webui.jobs.views import ArtifactView
from webui.prompts.explanation import Explanation, PartView, Titled, questions
from webui.scripts.loopback import Loopback
from webui.ui.services import Services

T = TypeVar("T")
WORDS = vocabulary.builtin() | {
    "checkpoints": (Word(id="starter", label="starter"),),
    "styles": (Word(id="Winter", label="Winter"),),
}
ADVICE = {
    "starter": Advice(
        family="sd1_v", label="SD 1", width=256, height=256, steps=20, cfg_scale=7.0
    ),
    "quick": Advice(
        family="sdxl", label="SDXL", width=1024, height=1024, steps=4, cfg_scale=1.0,
        sampler="euler", schedule="sgm_uniform", why="It was distilled.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class NotedJob:
    id: int
    request: GenerationRequest
    owner: str


@dataclass
class NotedJobs:
    """Takes requests and files pictures as the jobs room would, without running anything."""

    folder: Path
    noted: list[NotedJob] = field(default_factory=list)
    pictures: dict[int, tuple[ArtifactView, Path]] = field(default_factory=dict)

    def submit(self, request: GenerationRequest, owner: str = "") -> NotedJob:
        self.noted.append(NotedJob(len(self.noted) + 1, request, owner))
        return self.noted[-1]

    def list(self, limit: int = 50) -> tuple[NotedJob, ...]:
        return tuple(reversed(self.noted))[:limit]

    def artifact(self, artifact_id: int) -> tuple[ArtifactView, Path]:
        if artifact_id not in self.pictures:
            raise NotFound("picture", str(artifact_id))
        return self.pictures[artifact_id]

    def file(self, data: bytes, text: str, size: tuple[int, int]) -> int:
        number = len(self.pictures) + 1
        path = self.folder / f"{number:05}.png"
        path.write_bytes(data)
        view = ArtifactView(
            id=number, item=0, path=path.name, media_type="image/png", width=size[0],
            height=size[1], seed=7, infotext=text, sha256="0" * 64,
        )  # fmt: skip
        self.pictures[number] = (view, path)
        return number


def told(request: GenerationRequest) -> list[Titled]:
    """A reading in which every word is a token."""
    return [
        Titled(
            title=title,
            explanation=Explanation(
                unit="step",
                parts=(PartView(text=asked.prompt, weight=1, texts=(), schedule=()),),
                used=len(asked.prompt.split()),
                room=75,
            ),
        )
        for title, asked in questions(request)
    ]


def make_services(folder: Path) -> tuple[Services, NotedJobs]:
    jobs, blobs = NotedJobs(folder), BlobStore(folder / "blobs")
    services = Services(
        jobs=jobs,
        blobs=blobs,
        words=lambda: WORDS,
        read_infotext=read_infotext,
        restore=lambda text, base: infotext.read(text, WORDS, base, blobs.has, FORMS),
        scripts=(Loopback(),),
        effects=FORMS,
        advice=lambda name: ADVICE.get(name or "starter"),
        count_tokens=lambda asked: (len(asked.prompt.split()), 75),
        explain=told,
    )
    return services, jobs


def write_infotext(request: GenerationRequest) -> str:
    return infotext.write(request, Execution(checkpoint="starter"), "0.1.0", WORDS, FORMS)


def inside_a_loop(make: Callable[[], T]) -> T:
    """Call `make` where an event loop runs: elsewhere Gradio makes one and never closes it."""

    async def call() -> T:
        return make()

    return asyncio.run(call())
