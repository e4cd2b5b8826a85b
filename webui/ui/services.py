"""What the page needs from the rest of the house, as the app hands it over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from webui.contract.advice import Advice
from webui.contract.effects import EffectForm
from webui.contract.estimates import Estimate
from webui.contract.events import Word
from webui.contract.infotext import Restored
from webui.contract.merging import MergeRequest
from webui.contract.request import Blob, GenerationRequest
from webui.plugins.scripts import Script
from webui.prompts.explanation import Asked, Titled


class SubmittedJob(Protocol):
    """What the page wants to know of a job that it handed in."""

    @property
    def id(self) -> int:
        """The job's name."""
        ...

    @property
    def request(self) -> GenerationRequest:
        """The wish, seeds settled."""
        ...


class FiledPicture(Protocol):
    """What the page wants to know of a finished picture."""

    @property
    def infotext(self) -> str:
        """How it was made."""
        ...

    @property
    def width(self) -> int:
        """In pixels."""
        ...

    @property
    def height(self) -> int:
        """In pixels."""
        ...


class JobDoor(Protocol):
    """The part of `webui.jobs.service.Jobs` that the page uses; the rest goes over HTTP."""

    def submit(self, request: GenerationRequest, owner: str = "") -> SubmittedJob:
        """Queue a request and return at once."""
        ...

    def list(self, limit: int = 50) -> Sequence[SubmittedJob]:
        """The last jobs, the newest first."""
        ...

    def artifact(self, id: int) -> tuple[FiledPicture, Path]:
        """A finished picture and its file."""
        ...


class BlobDoor(Protocol):
    """The part of `webui.images.blobs.BlobStore` that the page uses."""

    def put(self, data: bytes, field: str) -> Blob:
        """Keep an image's bytes."""
        ...

    def read(self, blob: Blob) -> bytes:
        """The bytes of a kept image."""
        ...


class PickledFile(Protocol):
    """What the page shows of a file that needs conversion."""

    @property
    def name(self) -> str:
        """Its path below its models folder."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...


class Work(Protocol):
    """What the page wants to know of work on model files that it began."""

    @property
    def number(self) -> int:
        """Its name."""
        ...


class BenchDoor(Protocol):
    """The part of `webui.library.bench.Bench` that the page uses; the rest goes over HTTP."""

    def pickled(self) -> Sequence[PickledFile]:
        """The files that need conversion."""
        ...

    def vaes(self) -> Sequence[str]:
        """The VAEs that can be baked in."""
        ...

    def convert(self, names: Sequence[str]) -> Work:
        """Begin to convert files of the list."""
        ...

    def merge(self, request: MergeRequest) -> Work:
        """Begin to merge checkpoints."""
        ...


def no_advice(checkpoint: str) -> Advice | None:
    """The answer of a house that does not know its models."""
    return None


@dataclass(frozen=True)
class Services:
    """Everything that `build_page` is given.

    `read_infotext` finds the text inside an image's bytes ("" where there is none); `restore`
    reads such a text over the form's present request; `advice` knows what a checkpoint is best
    asked for, "" being the default one; `start_values` are those that a tab
    opens with, by mode and path; `count_tokens` gives the tokens of a
    prompt and the room for them, `explain` tells how the prompts of a request are read; both are
    None where no tokenizer is at hand. `estimate` weighs a request. Without a
    `bench` there are no tabs for model files; `downloads`
    says whether the API has what the tab for these needs.
    """

    jobs: JobDoor
    blobs: BlobDoor
    words: Callable[[], Mapping[str, tuple[Word, ...]]]
    read_infotext: Callable[[bytes], str]
    restore: Callable[[str, GenerationRequest | None], Restored]
    scripts: Sequence[Script[Any]] = ()
    effects: Sequence[EffectForm] = ()
    start_values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Any])
    advice: Callable[[str], Advice | None] = no_advice
    count_tokens: Callable[[Asked], tuple[int, int]] | None = None
    explain: Callable[[GenerationRequest], Sequence[Titled]] | None = None
    estimate: Callable[[GenerationRequest], Estimate] | None = None
    bench: BenchDoor | None = None
    downloads: bool = False
