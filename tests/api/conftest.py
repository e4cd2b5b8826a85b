import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from webui.api.application import make_api, protect
from webui.api.parts import Parts
from webui.app.house import House, build_house
from webui.app.web import open_bench
from webui.contract.worker import EngineConfig
from webui.jobs.views import JobView
from webui.jobs.workers.inprocess import InProcessWorker
from webui.library.cards import CardBook
from webui.settings import Folders, Server, Settings

BASE = "http://127.0.0.1:7860"


def make_painter(config: EngineConfig) -> InProcessWorker:
    return InProcessWorker(replace(config, engine="tests.api.painting:make_engine"))


def settings_in(root: Path, **server: Any) -> Settings:
    models = root / "models"
    models.mkdir(parents=True, exist_ok=True)
    (models / "sketch.safetensors").write_bytes(b"")
    folders = Folders(
        config_file=root / "config.json",
        data_dir=root / "data",
        models_dir=models,
        outputs_dir=root / "outputs",
        extensions_dir=root / "extensions",
    )
    return Settings(folders=folders, server=Server(**server))


def parts_of(house: House) -> Parts:
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
        bench=open_bench(house),
        estimate=house.estimate,
        version="0.1.0",
    )


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = build_house(settings_in(tmp_path_factory.mktemp("house")), make_painter)
    house.jobs.start()
    yield house
    house.jobs.close()


@pytest.fixture(scope="session")
def api(house: House) -> FastAPI:
    return make_api(parts_of(house))


async def stranger(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands in for the page that is mounted late; answers everything."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        return
    await PlainTextResponse("the page")(scope, receive, send)


@pytest.fixture(scope="session")
def whole(house: House) -> FastAPI:
    """The API with a page mounted into it, as the server does later."""
    app = make_api(parts_of(house))
    app.mount("/", stranger)
    return app


@pytest.fixture
def client(api: FastAPI, house: House) -> TestClient:
    return TestClient(protect(api, house.settings.get()), BASE, raise_server_exceptions=False)


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A small PNG with a gradient, so that it does not look like anything else."""
    image = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def photo64(photo: bytes) -> str:
    return base64.b64encode(photo).decode("ascii")


@pytest.fixture
def finished(house: House) -> Callable[..., Any]:
    """Wait for a job, and give its view."""

    def wait(job_id: int, state: str = "done") -> Any:
        job = house.jobs.wait(job_id, 20)
        assert job.state == state, job.first_error
        return job

    return wait


@pytest.fixture
def last(house: House) -> Callable[[], JobView]:
    """The job that was handed in last."""
    return lambda: house.jobs.list(1)[0]
