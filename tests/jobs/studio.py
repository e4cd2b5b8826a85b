"""A whole jobs room over a folder, with the painter behind it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from webui.contract.events import Artifact, Vocabulary
from webui.contract.fields import nest
from webui.contract.items import Item, Plan
from webui.contract.request import Blob, GenerationRequest, OutputOf
from webui.contract.worker import EngineConfig
from webui.errors import InvalidRequest, NotFound
from webui.jobs.filing import Filing, Step
from webui.jobs.service import Jobs
from webui.jobs.store import Store
from webui.jobs.views import JobView
from webui.jobs.workers.inprocess import InProcessWorker
from webui.jobs.workers.process import ProcessWorker
from webui.jobs.workers.protocol import Worker

ENGINE = "tests.jobs.painter:make_engine"
PATIENCE = 60.0


class Namer:
    """`NNNNN-SEED.png`, counting on from what is taken."""

    def path_for(
        self,
        request: GenerationRequest,
        artifact: Artifact,
        hint: str,
        taken: Callable[[PurePosixPath], bool],
    ) -> PurePosixPath:
        number = 0
        while True:
            path = PurePosixPath("day", f"{number:05}-{artifact.seed}.png")
            if not taken(path):
                return path
            number += 1


class MemoryBlobs:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def read(self, blob: Blob) -> bytes:
        if blob.sha256 not in self.kept:
            raise NotFound("picture", blob.sha256)
        return self.kept[blob.sha256]


def plan(request: GenerationRequest) -> tuple[GenerationRequest, Plan]:
    """Batch count and batch size as items; `chain` in the prompt makes a loopback of them.

    Words after `@K` in the prompt are for item K alone.
    """
    if "invalid" in request.prompt.positive:
        raise InvalidRequest("prompt.positive", "This prompt is not valid.")
    common, per_item = split_prompt(request.prompt.positive)
    canvas = request.canvas
    items = []
    for index in range(canvas.batch_count * canvas.batch_size):
        values: dict[str, Any] = {
            "canvas.batch_count": 1,
            "canvas.batch_size": 1,
            "noise.seed": request.noise.seed + index,
            "prompt.positive": f"{common} {per_item.get(index, '')}".strip(),
        }
        if "chain" in common and index:
            values["source.image"] = OutputOf(item=index - 1)
        items.append(Item(index=index, request=nest(request, values)))
    return request, Plan(items=tuple(items))


def split_prompt(text: str) -> tuple[str, dict[int, str]]:
    common, *parts = text.split("@")
    per_item = {int(part.split()[0]): " ".join(part.split()[1:]) for part in parts}
    return common.strip(), per_item


def request(prompt: str = "", count: int = 1, seed: int = 100, **values: Any) -> GenerationRequest:
    return nest(
        GenerationRequest(),
        {
            "prompt.positive": prompt,
            "canvas.batch_count": count,
            "noise.seed": seed,
            **{name.replace("__", "."): value for name, value in values.items()},
        },
    )


@dataclass
class Studio:
    """One server's life over a folder."""

    folder: Path
    process: bool = False
    engine: str = ENGINE
    after: Callable[[Step], None] = lambda step: None
    resume_at_start: bool = False
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    words: list[Vocabulary] = field(default_factory=list[Vocabulary])
    workers: list[Worker] = field(default_factory=list[Worker])

    def __post_init__(self) -> None:
        self.outputs = self.folder / "outputs"
        self.blobs = MemoryBlobs()
        self.store = Store(self.folder)
        self.filing = Filing(self.store, self.outputs, Namer(), self.after)
        self.jobs = Jobs(
            self.store,
            self._make_worker,
            plan,
            self.blobs,
            self.filing,
            on_vocabulary=self.words.append,
            resume_at_start=self.resume_at_start,
            **self.options,
        )

    def __enter__(self) -> "Studio":
        self.jobs.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.jobs.close()

    def _make_worker(self) -> Worker:
        config = EngineConfig(models_dir=self.folder, data_dir=self.folder, engine=self.engine)
        worker = ProcessWorker(config) if self.process else InProcessWorker(config)
        self.workers.append(worker)
        return worker

    def finish(self, id: int) -> JobView:
        """Wait until the job has ended."""
        job = self.jobs.wait(id, PATIENCE)
        assert job.ended, job.state
        return job

    def open(self, gate: str) -> None:
        (self.folder / gate).touch()

    def reached(self, gate: str) -> None:
        """Wait until an item stands at this gate."""
        until(lambda: (self.folder / f"{gate}.reached").exists())

    def files(self) -> list[str]:
        """Every file below the outputs folder, temporary ones too."""
        return sorted(
            p.relative_to(self.outputs).as_posix() for p in self.outputs.rglob("*") if p.is_file()
        )


def until(true: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def states(job: JobView) -> list[str]:
    return [item.state for item in job.items]
