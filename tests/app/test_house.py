"""The whole house with its real engine on a tiny checkpoint, behind the real faces."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from webui.app import House, build_app, build_house
from webui.contract.fields import nest
from webui.contract.request import GenerationRequest
from webui.images.metadata import read_infotext
from webui.jobs.workers.inprocess import InProcessWorker
from webui.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "sampling.steps": 3,
    "canvas.width": 64,
    "canvas.height": 64,
    "noise.seed": 5,
    "prompt.positive": "a house",
    "model.checkpoint": "tiny",
}


@pytest.fixture(scope="module")
def house(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(tiny_folder, folder / "models" / "tiny")
    settings = load_settings(
        ["--data-dir", str(folder / "data"), "--models-dir", str(folder / "models")], {}
    )
    built = build_house(settings, InProcessWorker)
    yield built
    built.jobs.close()


@pytest.fixture(scope="module")
def client(house: House) -> Iterator[TestClient]:
    app = build_app(house, with_page=False)
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield client


@pytest.fixture(scope="module")
def photo() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_picture_goes_from_request_to_file_with_its_infotext(
    house: House, client: TestClient
) -> None:
    answer = client.post("/api/v1/jobs", json=nest(GenerationRequest(), SMALL).model_dump())
    job = house.jobs.wait(answer.json()["id"], timeout=120)
    assert job.state == "done"
    artifact = job.artifacts[0]
    data = client.get(f"/api/v1/artifacts/{artifact.id}").content
    file = house.settings.get().folders.outputs_dir / artifact.path
    assert file.read_bytes() == data
    assert file.name == "00000-5.png"
    assert file.parent.parent.name == "txt2img-images"
    assert "Seed: 5" in read_infotext(data)


def test_loopback_feeds_each_picture_to_the_next(house: House, photo: bytes) -> None:
    source = house.blobs.put(photo, "source.image")
    request = nest(
        GenerationRequest(),
        {
            **SMALL,
            "source": {"image": source, "denoising_strength": 0.0},
            "script": {
                "name": "loopback",
                "args": {"loops": 2, "final_denoising_strength": 0.0},
            },
        },
    )
    job = house.jobs.wait(house.jobs.submit(request).id, timeout=120)
    assert job.state == "done"
    outputs = house.settings.get().folders.outputs_dir
    first, second = (Image.open(outputs / artifact.path) for artifact in job.artifacts)
    # at strength 0 each loop hands on what it was given: the chain is there if both are the source
    assert first.tobytes() == second.tobytes()
    assert first.convert("L").getextrema() != (0, 0)


def test_the_older_address_paints_too(client: TestClient) -> None:
    answer = client.post(
        "/sdapi/v1/txt2img",
        json={"prompt": "a house", "steps": 2, "width": 64, "height": 64, "seed": 9,
              "sampler_name": "DPM++ 2M Karras"},
    )  # fmt: skip
    assert answer.status_code == 200
    assert len(answer.json()["images"]) == 1
    assert "Schedule type: Karras" in answer.json()["info"]


def test_a_sampler_of_an_extension_is_painted_over_the_api(
    house: House, client: TestClient
) -> None:
    names = [s["name"] for s in client.get("/sdapi/v1/samplers").json()]
    assert "Midpoint (example)" in names
    request = nest(GenerationRequest(), {**SMALL, "sampling.sampler": "Midpoint (example)"})
    answer = client.post("/api/v1/jobs", json=request.model_dump(mode="json"))
    job = house.jobs.wait(answer.json()["id"], timeout=120)
    assert "Sampler: Midpoint (example)" in job.artifacts[0].infotext


def test_while_the_page_is_being_built_its_place_says_so(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 503
    assert "opening" in answer.text


def test_a_missing_checkpoint_is_refused_by_name_and_nothing_is_queued(
    house: House, client: TestClient
) -> None:
    before = len(house.jobs.list(limit=1000))
    request = nest(GenerationRequest(), {**SMALL, "model.checkpoint": "tinny"})
    answer = client.post("/api/v1/jobs", json=request.model_dump(mode="json"))
    assert answer.status_code == 422
    assert answer.json()["field"] == "model.checkpoint"
    assert "tiny" in answer.json()["sentence"]
    assert len(house.jobs.list(limit=1000)) == before


def test_an_older_installation_gives_the_checkpoint_and_the_options(
    tiny_folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "older"
    shutil.copytree(tiny_folder, home / "models" / "Stable-diffusion" / "forest")
    options = {"sd_model_checkpoint": "forest", "CLIP_stop_at_last_layers": 2}
    (home / "config.json").write_text(json.dumps(options), encoding="utf-8")
    arguments = ["--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "models")]
    settings = load_settings([*arguments, "--a1111-home", str(home)], {})
    built = build_house(settings, InProcessWorker)
    try:
        assert built.checkpoint().name == "forest"
        with TestClient(build_app(built, with_page=False), "http://127.0.0.1:7860") as client:
            told = client.get("/sdapi/v1/options").json()
    finally:
        built.jobs.close()
    assert told["CLIP_stop_at_last_layers"] == 2
    assert told["sd_model_checkpoint"] == "forest"
