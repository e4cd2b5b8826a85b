"""The HTTP face as a whole: our routes on one FastAPI, and the layers around it and all it mounts.

The layers, from the outside: guard (Host, Origin, size, headers), configured CORS, login, gzip,
stopwatch. Whatever is mounted into the application later is behind them too.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from webui.api.advice import advice_routes
from webui.api.auth import Account, Login
from webui.api.bench import bench_routes
from webui.api.cards import card_routes
from webui.api.downloads import download_routes
from webui.api.estimates import estimate_routes
from webui.api.faults import add_faults
from webui.api.guard import Guard, make_rules
from webui.api.live import live_routes
from webui.api.manual import manual_routes
from webui.api.parts import Parts
from webui.api.pictures import picture_routes, upload_routes
from webui.api.prompts import prompt_routes
from webui.api.routes import job_routes, word_routes
from webui.api.sdapi import Stopwatch, sdapi_routes
from webui.settings import Settings

COMPRESS_FROM = 1000  # bytes
COMPRESS_LEVEL = 4
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


def make_api(parts: Parts, lifespan: Lifespan | None = None) -> FastAPI:
    """Our routes on a FastAPI; give it to `protect` before serving it."""
    settings = parts.settings()
    app = FastAPI(
        title="Palimpsest",
        version=parts.version or "0",
        description="Durable picture jobs, and the older /sdapi/v1 surface over the same jobs.",
        docs_url=None,
        redoc_url=None,
        root_path=settings.server.subpath,
        lifespan=lifespan,
    )
    add_faults(app)
    app.include_router(job_routes(parts))
    app.include_router(word_routes(parts))
    app.include_router(prompt_routes(parts))
    app.include_router(picture_routes(parts.jobs.artifact))
    app.include_router(upload_routes(parts.blobs.read))
    app.include_router(live_routes(parts.jobs))
    app.include_router(sdapi_routes(parts))
    if parts.estimate is not None:
        app.include_router(estimate_routes(parts.estimate))
    if parts.advice is not None:
        app.include_router(advice_routes(parts.advice))
    if parts.bench is not None:
        app.include_router(bench_routes(parts.bench))
    if parts.desk is not None:
        app.include_router(download_routes(parts.desk))
    if parts.cards is not None:
        app.include_router(card_routes(parts.cards, lambda id: parts.jobs.artifact(id)[1]))
    app.include_router(manual_routes(app))
    return app


def protect(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app` with every layer around it: what the server serves.

    The server must not believe forwarding headers (uvicorn: `proxy_headers=False`).
    """
    server = settings.server
    served: ASGIApp = GZipMiddleware(Stopwatch(app), COMPRESS_FROM, COMPRESS_LEVEL)
    if server.auth:
        cookie = f"palimpsest_{server.port}"
        served = Login(served, Account.parse(server.auth), server.subpath, cookie)
    if server.cors_origins:
        everyone = "*" in server.cors_origins
        served = CORSMiddleware(
            served,
            allow_origins=["*"] if everyone else list(server.cors_origins),
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=not everyone,
        )
    rules = make_rules(
        server.bind_host,
        server.listen,
        server.allowed_hosts,
        server.cors_origins,
        settings.limits.max_upload_mb,
    )
    return Guard(served, rules)
