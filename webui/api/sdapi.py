"""The older HTTP surface: /sdapi/v1 over the same jobs as the page and the native API."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.api.parts import Parts
from webui.api.routes import owner_of
from webui.api.sdapi_answers import describe_job, read_pictures, timestamp, wait_for
from webui.api.sdapi_effects import check_effect_options, effect_options
from webui.api.sdapi_lists import list_routes
from webui.api.sdapi_options import Options, request_values
from webui.api.sdapi_requests import Desk, built, read_body, rename_field
from webui.api.sdapi_table import Img2ImgBody, Mode, Txt2ImgBody
from webui.contract import infotext
from webui.contract.request import Blob, GenerationRequest, Refiner, Source
from webui.errors import WebuiError
from webui.images.decode import DecodeLimits, check_header, decode_base64
from webui.images.storage import read_infotext, read_metadata
from webui.jobs.service import Jobs
from webui.jobs.views import JobView, Snapshot
from webui.settings import Settings

NO_STATE: Mapping[str, Any] = {
    "skipped": False,
    "interrupted": False,
    "stopping_generation": False,
    "job": "",
    "job_count": 0,
    "job_timestamp": "0",
    "job_no": 0,
    "sampling_step": 0,
    "sampling_steps": 0,
}


class PngInfoBody(BaseModel):
    """A picture whose parameters are asked for."""

    image: str = Field(description="Base64, or a data URI.")


class PicturesAnswer(BaseModel):
    """What txt2img and img2img answer; `info` is a string that holds JSON."""

    model_config = ConfigDict(protected_namespaces=())
    images: list[str]
    parameters: dict[str, Any]
    info: str


def sdapi_routes(parts: Parts) -> APIRouter:
    """The whole older surface."""
    router = APIRouter()
    limits = decode_limits(parts.settings())
    options = Options(
        parts.settings,
        parts.update_settings,
        lambda: default_title(parts),
        lambda: effect_options(parts.effects()),
        parts.older_options,
    )
    router.include_router(generation_routes(parts, options, limits))
    router.include_router(control_routes(parts.jobs))
    router.include_router(option_routes(parts, options))
    router.include_router(picture_info_routes(parts, limits))
    router.include_router(list_routes(parts))
    return router


def decode_limits(settings: Settings) -> DecodeLimits:
    """What pictures from outside may be, by the settings."""
    limits = settings.limits
    return DecodeLimits(max_bytes=limits.max_upload_mb * 2**20, max_pixels=limits.max_pixels)


def generation_routes(parts: Parts, options: Options, limits: DecodeLimits) -> APIRouter:
    """txt2img and img2img: they answer when the job has ended."""
    router = APIRouter(prefix="/sdapi/v1", tags=["older surface"])

    def submit(body: BaseModel, mode: Mode, owner: str) -> JobView:
        settings = parts.settings()
        options_now = {"sd_model_checkpoint": settings.engine.checkpoint} | options.remembered()
        desk = Desk(
            parts.words(),
            parts.blobs,
            limits,
            parts.scripts(),
            options_now,
            settings,
            parts.effects(),
        )
        try:
            return parts.jobs.submit(read_body(body, mode, desk), owner)
        except WebuiError as error:
            rename_field(error, mode)
            raise

    async def run(body: BaseModel, mode: Mode, http: Request) -> PicturesAnswer:
        queued = await run_in_threadpool(submit, body, mode, owner_of(http))
        job = await wait_for(parts.jobs, queued.id)
        send = cast("bool | None", getattr(body, "send_images", True))
        wanted = send is None or send
        images = await run_in_threadpool(read_pictures, parts.jobs, job) if wanted else []
        info = await run_in_threadpool(lambda: describe_job(job, parts.words(), parts.version))
        return PicturesAnswer(images=images, parameters=_parameters(body), info=info)

    @router.post("/txt2img")
    async def txt2img(body: Txt2ImgBody, http: Request) -> PicturesAnswer:
        """Text to picture, with the older defaults. The job goes on if the client leaves."""
        return await run(body, "txt2img", http)

    @router.post("/img2img")
    async def img2img(body: Img2ImgBody, http: Request) -> PicturesAnswer:
        """Picture to picture, with the older defaults (one step even at strength 0)."""
        return await run(body, "img2img", http)

    return router


def control_routes(jobs: Jobs) -> APIRouter:
    """progress, interrupt and skip: about whatever runs now, whoever asked for it."""
    router = APIRouter(prefix="/sdapi/v1", tags=["older surface"])

    @router.get("/progress")
    def progress(skip_current_image: bool = False) -> dict[str, Any]:
        """How far the running job is; zero where nothing runs."""
        job = jobs.current()
        if job is None:
            return {
                "progress": 0.0,
                "eta_relative": 0.0,
                "state": dict(NO_STATE),
                "current_image": None,
                "textinfo": None,
            }
        return describe_progress(jobs.snapshot(job.id, 0), skip_current_image)

    @router.post("/interrupt")
    def interrupt() -> dict[str, Any]:
        """End the running job with what it has."""
        job = jobs.current()
        if job is not None and job.state == "running":
            jobs.stop(job.id, "stop")
        return {}

    @router.post("/skip")
    def skip() -> None:
        """End the running picture; the job goes on with its next one."""
        job = jobs.current()
        if job is not None and job.state == "running":
            jobs.skip(job.id)

    return router


def option_routes(parts: Parts, options: Options) -> APIRouter:
    """The options that this server has, under their older names."""
    router = APIRouter(prefix="/sdapi/v1", tags=["older surface"])

    def check(values: Mapping[str, Any]) -> None:
        """Build a request with them, so that a wrong value is refused now and not later."""
        present = {
            "source": Source(image=Blob(sha256="0" * 64)),
            "refiner": Refiner(checkpoint="any"),
        }
        base = GenerationRequest().model_copy(update=present)
        check_effect_options(values, parts.effects())
        for sampler in ("euler", "ddim"):
            built(base, request_values(values, parts.words(), sampler), "img2img")

    @router.get("/options")
    def get_options() -> dict[str, Any]:
        """Every option."""
        return options.all()

    @router.post("/options")
    def set_options(values: dict[str, JsonValue]) -> None:
        """Set options, all or none."""
        options.set(values, check)

    return router


def picture_info_routes(parts: Parts, limits: DecodeLimits) -> APIRouter:
    """png-info: what a picture says about itself."""
    router = APIRouter(prefix="/sdapi/v1", tags=["older surface"])

    @router.post("/png-info")
    def png_info(body: PngInfoBody) -> dict[str, Any]:
        """The infotext of a picture, its other texts, and the infotext taken apart."""
        data = decode_base64(body.image, "image", limits)
        check_header(data, "image", limits)
        text = read_infotext(data)
        parsed = infotext.parse(text)
        prompts = {"Prompt": parsed.prompt, "Negative prompt": parsed.negative_prompt}
        parameters = prompts | dict(parsed.fields) if text else {}
        return {"info": text, "items": read_metadata(data), "parameters": parameters}

    return router


def describe_progress(snapshot: Snapshot, without_picture: bool) -> dict[str, Any]:
    """A snapshot in the shape of the older progress answer."""
    job, preview = snapshot.job, snapshot.preview
    begun = sum(item.state not in ("waiting", "blocked") for item in job.items)
    picture = None if without_picture or preview is None else preview
    state = dict(NO_STATE) | {
        "job": job.stage or job.mode,
        "job_count": len(job.items),
        "job_timestamp": timestamp(job.started or job.created),
        "job_no": max(begun - 1, 0),
        "sampling_step": job.step,
        "sampling_steps": job.steps,
    }
    return {
        "progress": min(max(job.fraction, 0.01), 1.0) if job.state == "running" else 0.0,
        "eta_relative": job.eta_seconds or 0.0,
        "state": state,
        "current_image": base64.b64encode(picture).decode("ascii") if picture else None,
        "textinfo": None if job.state == "running" else "In queue",
    }


def default_title(parts: Parts) -> str:
    """The title of the checkpoint that draws when a request names none."""
    try:
        return parts.catalog.resolve(parts.settings().engine.checkpoint).title
    except WebuiError:
        return ""


class Stopwatch:
    """The ASGI application `app`, telling its time in `X-Process-Time` below /sdapi."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float] = time.perf_counter) -> None:
        self.app = app
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or "/sdapi/" not in scope["path"]:
            await self.app(scope, receive, send)
            return
        start = self.clock()

        async def timed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = f"{self.clock() - start:.4f}"
                MutableHeaders(scope=message)["X-Process-Time"] = seconds
            await send(message)

        await self.app(scope, receive, timed_send)


def _parameters(body: BaseModel) -> dict[str, Any]:
    """The request as it was received; pictures only where they were asked back."""
    tree = body.model_dump(mode="json")
    if "init_images" in tree and not tree.get("include_init_images"):
        tree |= {"init_images": None, "mask": None}
    return tree
