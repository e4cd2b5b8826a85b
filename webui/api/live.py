"""What the page polls: one small JSON about one job, and which jobs any browser may attach to."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from webui.api.streams import data_uri
from webui.jobs.service import Jobs
from webui.jobs.views import ArtifactView, JobState, JobView, Snapshot

ATTACHABLE: tuple[JobState, ...] = ("running", "queued", "paused")


def live_routes(jobs: Jobs) -> APIRouter:
    """GET /internal/progress/{job_id} and /internal/running; the verbs are the native API's."""
    router = APIRouter(prefix="/internal", include_in_schema=False)

    @router.get("/progress/{job_id}")
    def get_progress(
        job_id: int,
        http: Request,
        preview: Annotated[int, Query(ge=0, description="The newest preview in hand.")] = 0,
        since: Annotated[int, Query(ge=0, description="The newest state in hand.")] = 0,
    ) -> dict[str, Any]:
        """Everything the live view shows; `{"seq": n}` alone where nothing is newer."""
        snapshot = jobs.snapshot(job_id, preview)
        if 0 < since == snapshot.seq:
            return {"seq": snapshot.seq}
        return describe(snapshot, jobs, http.scope.get("root_path", ""))

    @router.get("/running")
    def get_running() -> list[dict[str, Any]]:
        """The jobs that run, wait or offer to continue, the running one first."""
        found = jobs.list(50, ATTACHABLE)
        ranked = sorted(found, key=lambda job: (ATTACHABLE.index(job.state), job.id))
        return [summarize(job) for job in ranked]

    return router


def describe(snapshot: Snapshot, jobs: Jobs, root: str = "") -> dict[str, Any]:
    """A snapshot as the page's live view wants it."""
    job = snapshot.job
    error = job.first_error
    return summarize(job) | {
        "seq": snapshot.seq,
        "step": job.step,
        "steps": job.steps,
        "stage": job.stage,
        "eta": job.eta_seconds,
        "item": job.current_item,
        "images": [describe_image(a, root) for a in job.artifacts],
        "preview": data_uri(snapshot.preview) if snapshot.preview else None,
        "preview_seq": snapshot.preview_seq,
        "preview_item": snapshot.preview_item,
        "error": error.sentence if error else "",
        "field": error.field if error else "",
        "failed": sum(item.state == "failed" for item in job.items),
        "notices": list(job.notices),
        "worker": waiting_sentence(job, lambda: jobs.worker().sentence),
    }


def summarize(job: JobView) -> dict[str, Any]:
    """The few values that tell jobs apart in a list."""
    return {
        "id": job.id,
        "owner": job.owner,
        "state": job.state,
        "ended": job.ended,
        "mode": job.mode,
        "fraction": job.fraction,
        "total": len(job.items),
        "done": sum(item.state in ("done", "stopped") for item in job.items),
        "prompt": job.request.prompt.positive[:200],
    }


def describe_image(artifact: ArtifactView, root: str = "") -> dict[str, Any]:
    """A picture with the addresses it is served at."""
    url = f"{root}/api/v1/artifacts/{artifact.id}"
    return {
        "id": artifact.id,
        "item": artifact.item,
        "n": artifact.n,
        "role": artifact.role,
        "url": url,
        "thumbnail": f"{url}/thumbnail",
        "name": artifact.path.rsplit("/", 1)[-1],
        "width": artifact.width,
        "height": artifact.height,
        "seed": artifact.seed,
        "infotext": artifact.infotext,
    }


def waiting_sentence(job: JobView, ask: Callable[[], str]) -> str:
    """Why a job that should run does not yet (torch is still loading, or could not be)."""
    return "" if job.ended or job.step else ask()
