"""The real server and a real browser; a fresh context for each test."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(
    (p for p in map(Path, ("/usr/bin/chromium", "/usr/bin/chromium-browser")) if p.exists()), None
)
START_S = 60
ENGINE_S = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models folder of the server; modules that need models fill one of their own."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[str]:
    """The address of a server of our own, over an empty data folder and the starter model."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [
        *(sys.executable, "-m", "webui", "serve", "--no-browser"),
        *("--port", str(port), "--data-dir", str(folder), "--models-dir", str(models)),
    ]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )
        try:
            wait_for_page(f"http://127.0.0.1:{port}/", server, folder / "server.log")
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(10)


def wait_for_page(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if server.poll() is not None:
            pytest.fail(f"The server ended: {log.read_text(encoding='utf-8')[-2000:]}")
        with contextlib.suppress(httpx.HTTPError):
            reply = httpx.get(address, timeout=5)
            if reply.status_code == 200 and "txt2img_generate" in reply.text:
                return
        time.sleep(0.2)
    pytest.fail(f"No page after {START_S} s: {log.read_text(encoding='utf-8')[-2000:]}")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright, ended with the module: its event loop would stand in the way of other tests'."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("the browser tests need chromium (apt-get install chromium)")
    launched = playwright.chromium.launch(
        executable_path=str(CHROMIUM),
        args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
    )
    yield launched
    launched.close()


class Watch:
    """Notes what no page may do: fail in a script, or ask another host."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.faults: list[str] = []

    def follow(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.faults.append(f"outside: {url}")


@pytest.fixture
def open_page(
    browser: Browser, address: str, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Open the page in a context of its own; at the end nothing may have gone wrong in any."""
    contexts: list[BrowserContext] = []
    watch = Watch(address)

    def open_one(
        width: int = 1300, height: int = 900, context: BrowserContext | None = None
    ) -> Page:
        if context is None:
            context = browser.new_context(viewport={"width": width, "height": height})
            contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        watch.follow(page)
        page.goto(address)
        # Where a job runs already, Stop stands in its place.
        page.wait_for_selector("#txt2img_generate", state="attached")
        page.wait_for_selector(".pal-live .pal-stage", state="attached")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert watch.faults == []


@pytest.fixture(autouse=True)
def quiet_house(address: str) -> Iterator[None]:
    """Each test leaves the server idle."""
    yield
    with httpx.Client(base_url=address, timeout=20) as client:
        end = time.monotonic() + ENGINE_S
        while (jobs := client.get("internal/running").json()) and time.monotonic() < end:
            for job in jobs:
                verb = "discard" if job["state"] == "paused" else "cancel"
                client.post(f"api/v1/jobs/{job['id']}/{verb}")
            time.sleep(0.1)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real photo, 256x256."""
    from skimage.data import astronaut

    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(np.asarray(astronaut())).resize((256, 256), Image.Resampling.LANCZOS).save(path)
    return path
