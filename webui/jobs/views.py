"""What the faces see of jobs: plain frozen values, ready for JSON."""

from typing import Annotated, Literal

from pydantic import Field

from webui.contract.fields import Frozen
from webui.contract.request import AnyRequest

ItemState = Literal[
    "waiting", "running", "filing", "done", "stopped", "failed", "cancelled", "blocked"
]
"""`stopped` ended early with its picture kept; `blocked` waits for an item that failed."""

JobState = Literal["queued", "running", "paused", "done", "stopped", "failed", "cancelled"]
"""`paused` was interrupted (by the server's end, or a full disk) and offers to continue."""

OPEN_ITEM_STATES: frozenset[ItemState] = frozenset({"waiting", "running", "filing"})
ENDED_JOB_STATES: frozenset[JobState] = frozenset({"done", "stopped", "failed", "cancelled"})
"""A job in one of these does no more by itself; `paused` is not among them, but waits too."""


class ErrorView(Frozen):
    """Why something failed: class name, sentence for people, detail for the log, field path."""

    error: str
    sentence: str
    detail: str = ""
    field: str = ""


class ArtifactView(Frozen):
    """A filed picture; `path` is relative to the outputs folder, with forward slashes."""

    id: int
    item: int
    n: int = 0
    role: Literal["image", "grid", "detected_map", "mask"] = "image"
    path: str
    media_type: str
    width: int
    height: int
    seed: int
    infotext: str
    sha256: str
    size: int = 0


class ItemView(Frozen):
    """One item of a job; `changed` is the sequence number of its last change."""

    index: int
    state: ItemState
    labels: tuple[tuple[str, str], ...] = ()
    seed: int
    attempts: int = 0
    error: ErrorView | None = None
    artifacts: tuple[ArtifactView, ...] = ()
    changed: int = 0


class JobView(Frozen):
    """One job with all its items.

    Times are seconds since 1970, and only for people: order is by `id`. `fraction` is of the whole
    job; `step`, `steps` and `stage` are those of `current_item`. `eta_seconds` is None until
    enough has been measured.
    """

    id: int
    owner: str = ""
    state: JobState
    mode: Literal["txt2img", "img2img"]
    created: float
    started: float | None = None
    finished: float | None = None
    request: AnyRequest
    items: tuple[ItemView, ...]
    fraction: float = 0.0
    step: int = 0
    steps: int = 0
    stage: str = ""
    eta_seconds: float | None = None
    current_item: int | None = None
    notices: tuple[str, ...] = ()
    error: ErrorView | None = None
    changed: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it unasked (a paused job counts: it waits to be told)."""
        return self.state in ENDED_JOB_STATES or self.state == "paused"

    @property
    def artifacts(self) -> tuple[ArtifactView, ...]:
        """Every picture filed so far, in order of items."""
        return tuple(a for item in self.items for a in item.artifacts)

    @property
    def first_error(self) -> ErrorView | None:
        """The job's own error, or that of its first failed item."""
        return self.error or next((i.error for i in self.items if i.error), None)


class Snapshot(Frozen):
    """All there is to show now; `preview` (a JPEG) is absent when the caller has it already."""

    seq: int
    job: JobView
    preview: bytes | None = Field(default=None, repr=False)
    preview_seq: int = 0
    preview_item: int | None = None


class JobChanged(Frozen):
    """The job's own state changed; its items are told of apart."""

    kind: Literal["job"] = "job"
    id: int
    state: JobState
    fraction: float
    notices: tuple[str, ...] = ()
    error: ErrorView | None = None
    started: float | None = None
    finished: float | None = None


class ItemChanged(Frozen):
    """An item changed; this is all of it."""

    kind: Literal["item"] = "item"
    item: ItemView


class Progressed(Frozen):
    """The running item moved on."""

    kind: Literal["progress"] = "progress"
    item: int
    fraction: float
    step: int
    steps: int
    stage: str
    eta_seconds: float | None


class Previewed(Frozen):
    """A new preview is to be had from the snapshot; `jpeg` carries it for those who want it."""

    kind: Literal["preview"] = "preview"
    item: int
    jpeg: bytes = Field(repr=False)


class Heartbeat(Frozen):
    """Nothing happened for a while; the connection is alive."""

    kind: Literal["heartbeat"] = "heartbeat"


LiveEvent = Annotated[
    JobChanged | ItemChanged | Progressed | Previewed | Heartbeat, Field(discriminator="kind")
]
"""What `Jobs.events` yields; a JobChanged in an ended state (or `paused`) is the last one."""


class WorkerView(Frozen):
    """How the worker is: `starting` loads torch and models, `failed` could not start (sentence)."""

    state: Literal["off", "starting", "ready", "busy", "failed"]
    sentence: str = ""
