"""The native API: jobs, their events, uploads, vocabularies and fields."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from webui.api.parts import Blobs, Parts
from webui.api.streams import stream_events
from webui.api.uploads import read_picture
from webui.contract import infotext
from webui.contract.events import Word
from webui.contract.fields import Frozen, Leaf, walk
from webui.contract.request import Blob, GenerationRequest
from webui.errors import InvalidRequest, NotFound
from webui.images.storage import read_infotext
from webui.jobs.service import Jobs
from webui.jobs.views import JobState, JobView

STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class FieldView(Frozen):
    """One field of the request, as forms and clients need it."""

    path: str
    label: str
    help: str
    type: str
    default: Any
    infotext: str | None
    axis: bool
    choices: str | None
    step: float | None
    multiline: bool
    low: float | None
    high: float | None
    multiple_of: float | None


class InfotextQuestion(Frozen):
    """An infotext, and the request whose values stay where the text is silent."""

    text: Annotated[str, Field(max_length=1_000_000)]
    base: GenerationRequest | None = None


class InfotextAnswer(Frozen):
    """What an infotext asks for, and what could not be taken from it."""

    infotext: str
    request: GenerationRequest
    denoising_strength: float | None = None
    notices: tuple[str, ...]


def job_routes(parts: Parts) -> APIRouter:
    """POST, GET and the verbs of /api/v1/jobs."""
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
    _add_jobs(router, parts)
    _add_verbs(router, parts.jobs)
    _add_stream(router, parts.jobs)
    return router


def _add_jobs(router: APIRouter, parts: Parts) -> None:
    jobs = parts.jobs

    @router.post("", status_code=202)
    def submit_job(request: GenerationRequest, http: Request, response: Response) -> JobView:
        """Queue a request; the answer comes at once and the job goes on without this client."""
        check_source(request, parts.blobs)
        job = jobs.submit(request, owner_of(http))
        response.headers["Location"] = f"{http.url.path.rstrip('/')}/{job.id}"
        return job

    @router.get("")
    def list_jobs(
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        state: Annotated[list[JobState] | None, Query(description="Only these states.")] = None,
    ) -> tuple[JobView, ...]:
        """The newest jobs, newest first."""
        return jobs.list(limit, state)

    @router.get("/{job_id}")
    def get_job(job_id: int) -> JobView:
        """One job with its items and their artifacts."""
        return jobs.get(job_id)


def _add_verbs(router: APIRouter, jobs: Jobs) -> None:
    @router.post("/{job_id}/stop", status_code=202)
    def stop_job(job_id: int) -> JobView:
        """End the job and keep the present picture as it is."""
        return jobs.stop(job_id, "stop")

    @router.post("/{job_id}/cancel", status_code=202)
    def cancel_job(job_id: int) -> JobView:
        """End the job and discard the present picture; finished ones stay."""
        return jobs.stop(job_id, "cancel")

    @router.post("/{job_id}/skip", status_code=202)
    def skip_item(job_id: int) -> JobView:
        """End the present picture, keeping it as it is; the job goes on with the next one."""
        return jobs.skip(job_id)

    @router.post("/{job_id}/resume", status_code=202)
    def resume_job(job_id: int) -> JobView:
        """Go on with a job that was interrupted."""
        return jobs.resume(job_id)

    @router.post("/{job_id}/discard", status_code=202)
    def discard_job(job_id: int) -> JobView:
        """Give up the rest of an interrupted job."""
        return jobs.discard(job_id)


def _add_stream(router: APIRouter, jobs: Jobs) -> None:
    @router.get("/{job_id}/events", response_class=StreamingResponse)
    async def follow_job(
        job_id: int,
        since: Annotated[int, Query(ge=0)] = 0,
        last_event_id: Annotated[str, Header()] = "",
    ) -> Response:
        """Server-sent events: a snapshot first, then what changes, until the job has ended.

        `Last-Event-ID` (or `since`) goes on where a broken connection stopped.
        """
        start = int(last_event_id) if last_event_id.isdecimal() else since
        snapshot = await run_in_threadpool(jobs.snapshot, job_id, 0)
        lines: AsyncIterator[bytes] = stream_events(jobs, snapshot, start)
        return StreamingResponse(lines, 200, STREAM_HEADERS, "text/event-stream")


def word_routes(parts: Parts) -> APIRouter:
    """Uploads, vocabularies, fields and infotexts."""
    router = APIRouter(prefix="/api/v1", tags=["words and pictures"])

    @router.post("/blobs", status_code=201, openapi_extra=_upload_schema())
    async def put_blob(http: Request) -> Blob:
        """Upload a picture, as raw bytes or in a form; the answer is what requests refer to."""
        data, _ = await read_picture(http, "image")
        return await run_in_threadpool(parts.blobs.put, data, "image")

    @router.get("/vocabulary")
    def get_vocabulary() -> dict[str, tuple[Word, ...]]:
        """Every name that a request may hold, by vocabulary."""
        return dict(parts.words())

    @router.get("/fields")
    def get_fields() -> tuple[FieldView, ...]:
        """Every field of the request with its label, bounds and default."""
        return tuple(view_field(leaf) for leaf in walk(GenerationRequest))

    @router.post("/infotext")
    def read_text(question: InfotextQuestion) -> InfotextAnswer:
        """The request that an infotext asks for."""
        return _restore(question.text, parts, question.base)

    @router.post("/infotext/image", openapi_extra=_upload_schema())
    async def read_image(http: Request) -> InfotextAnswer:
        """The request that the infotext inside a picture asks for."""
        data, _ = await read_picture(http, "image")
        text = await run_in_threadpool(read_infotext, data)
        if not text:
            raise InvalidRequest("image", "This picture carries no generation parameters.")
        return await run_in_threadpool(_restore, text, parts)

    return router


def _restore(text: str, parts: Parts, base: GenerationRequest | None = None) -> InfotextAnswer:
    restored = infotext.read(text, parts.words(), base, parts.blobs.has, parts.effects())
    return InfotextAnswer(
        infotext=text,
        request=restored.request,
        denoising_strength=restored.denoising_strength,
        notices=restored.notices,
    )


def check_source(request: GenerationRequest, blobs: Blobs) -> None:
    """Raise unless the source picture is one that was uploaded; clients name no other kind."""
    image = request.source.image if request.source else None
    if image is None:
        return
    if not isinstance(image, Blob):
        raise InvalidRequest(
            "source.image", "Upload the source picture first and name it as a blob."
        )
    if not blobs.has(image):
        raise NotFound("uploaded picture", image.sha256[:12], (), "source.image")


def view_field(leaf: Leaf) -> FieldView:
    """A field as JSON."""
    kind = leaf.annotation
    return FieldView(
        path=leaf.path,
        type=kind.__name__ if isinstance(kind, type) else str(kind),
        default=leaf.default,
        low=leaf.low,
        high=leaf.high,
        multiple_of=leaf.multiple_of,
        **{name: getattr(leaf.param, name) for name in PARAM_NAMES},
    )


PARAM_NAMES = ("label", "help", "infotext", "axis", "choices", "step", "multiline")


def owner_of(http: Request) -> str:
    """The account that a request is logged in with; empty where there is no login."""
    return str(getattr(http.state, "account", ""))


def _upload_schema() -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"image": binary}, "required": ["image"]}
    content = {"image/*": {"schema": binary}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}
