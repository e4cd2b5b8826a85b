"""The server as one ASGI application: API first, the page mounted when it has been built."""

import asyncio
import logging
import os
import threading
import time
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

import webui
from webui.api.application import make_api, protect
from webui.api.parts import Parts
from webui.app.downloads import open_desk
from webui.app.house import House, build_house
from webui.app.older import older_options, older_values
from webui.images.metadata import read_infotext
from webui.library.bench import Bench
from webui.library.cards import CardBook
from webui.library.download.desk import Desk
from webui.settings import Settings

log = logging.getLogger(__name__)

WAITING = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<title>Palimpsest</title><meta name="viewport" content="width=device-width">
<style>body{font:16px system-ui,sans-serif;display:grid;place-items:center;height:90vh;
background:#17181b;color:#d7d8db}</style><p>Palimpsest is opening ...</p>"""


class LatePage:
    """The page's place: it says that the page is coming until `page` is there."""

    def __init__(self) -> None:
        self.page: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve from the page, or say that it is coming."""
        page: ASGIApp = self.page or HTMLResponse(WAITING, 503, {"Retry-After": "1"})
        await page(scope, receive, send)


def build_app(house: House, with_page: bool = True) -> ASGIApp:
    """The whole server, with the guard and the login around it.

    Its lifespan starts and closes the jobs, and builds the page in a thread meanwhile.
    """
    late, bench, desk = LatePage(), open_bench(house), open_desk(house)
    app = make_api(_parts(house, bench, desk), _lifespan(house, bench, desk, late, with_page))
    app.mount("/", late)
    return protect(app, house.settings.get())


def open_bench(house: House) -> Bench:
    """The place where model files are converted and merged."""
    return Bench(house.catalog, lambda: house.settings.get().folders.models_dir)


def serve(settings: Settings, open_browser: bool = False) -> None:
    """Serve until interrupted; the jobs that run then are left to be continued."""
    house = build_house(settings)
    host, port = settings.server.bind_host, settings.server.port
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/"
    config = uvicorn.Config(
        build_app(house),
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )
    log.info("Palimpsest %s at %s", webui.__version__, url)
    if open_browser:
        threading.Timer(1.0, webbrowser.open, (url,)).start()
    uvicorn.Server(config).run()


def _parts(house: House, bench: Bench, desk: Desk) -> Parts:
    return Parts(
        jobs=house.jobs,
        blobs=house.blobs,
        words=house.words,
        catalog=house.catalog,
        adapters=house.adapters,
        cards=CardBook(house.catalog.shelf, house.settings.get().folders.data_dir / "cards.json"),
        settings=house.settings.get,
        update_settings=house.settings.update,
        explain=house.reader.explain,
        styles=house.styles.styles,
        scripts=lambda: tuple(house.plugins.scripts),
        effects=house.effects,
        bench=bench,
        desk=desk,
        estimate=house.estimate,
        advice=house.advice,
        older_options=older_options(house.settings.get().folders.a1111_home, house.words()),
        version=webui.__version__,
    )


def _lifespan(
    house: House, bench: Bench, desk: Desk, late: LatePage, with_page: bool
) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def run(_app: FastAPI) -> AsyncIterator[None]:
        house.jobs.start()
        if with_page:
            loop = asyncio.get_running_loop()
            threading.Thread(
                target=_open_page, args=(house, bench, late, loop), name="page", daemon=True
            ).start()
        try:
            yield
        finally:
            await asyncio.to_thread(bench.close)
            await asyncio.to_thread(desk.close)
            await asyncio.to_thread(house.jobs.close)

    return run


def _open_page(house: House, bench: Bench, late: LatePage, loop: asyncio.AbstractEventLoop) -> None:
    """Import gradio, build the page and put it in its place; runs beside the serving loop."""
    started = time.perf_counter()
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault(
        "GRADIO_TEMP_DIR", str(house.settings.get().folders.data_dir / "page-files")
    )
    # deliberately late: gradio takes seconds, and the API answers meanwhile
    import gradio as gr  # noqa: PLC0415

    from webui.ui.page import build_page, mount_options  # noqa: PLC0415
    from webui.ui.services import Services  # noqa: PLC0415

    page = build_page(
        Services(
            jobs=house.jobs,
            blobs=house.blobs,
            words=house.words,
            read_infotext=read_infotext,
            restore=house.restore,
            scripts=tuple(house.plugins.scripts),
            effects=house.effects(),
            advice=house.advice_if_any,
            start_values=older_values(house.settings.get().folders.a1111_home, house.words()),
            count_tokens=house.reader.count,
            explain=house.reader.explain_request,
            estimate=house.estimate,
            bench=bench,
            downloads=True,
        )
    )
    mounted = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    gr.mount_gradio_app(mounted, page, path="/", **mount_options(house.effects()))

    async def start() -> None:
        # Gradio's queue must come to life on the loop that serves it
        page.run_startup_events()
        await page.run_extra_startup_events()

    asyncio.run_coroutine_threadsafe(start(), loop).result()
    late.page = mounted
    log.info("the page is open after %.1f s", time.perf_counter() - started)
