"""Conversions and merges over HTTP."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from starlette.testclient import TestClient

from tests.api.conftest import BASE, settings_in
from webui.app.house import build_house
from webui.app.web import build_app

NAME = "model.diffusion_model.out.2.weight"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Path]]:
    settings = settings_in(tmp_path_factory.mktemp("bench"))
    house = build_house(settings)
    app = build_app(house, with_page=False)
    yield TestClient(app, BASE), settings.folders.models_dir
    house.jobs.close()


def ended(client: TestClient) -> dict[str, Any]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        work = client.get("/api/v1/models/work").json()
        if work["state"] != "running":
            return work
        time.sleep(0.05)
    raise AssertionError("the work does not end")


def test_a_pickle_is_listed_and_converted(client: tuple[TestClient, Path]) -> None:
    http, models = client
    torch.save({NAME: torch.ones(2)}, models / "old.ckpt")
    assert [f["name"] for f in http.get("/api/v1/models/pickled").json()] == ["old.ckpt"]
    assert http.post("/api/v1/models/convert", json={"names": ["../old.ckpt"]}).status_code == 422
    assert http.post("/api/v1/models/convert", json={"names": []}).status_code == 422
    begun = http.post("/api/v1/models/convert", json={"names": ["old.ckpt"]})
    assert begun.status_code == 202
    assert ended(http)["state"] == "done"
    assert torch.equal(load_file(models / "old.safetensors")[NAME], torch.ones(2))


def test_a_merge_is_begun_and_stopped(client: tuple[TestClient, Path]) -> None:
    http, models = client
    save_file({NAME: torch.ones(2)}, models / "one.safetensors")
    asked = {"primary": "one", "method": "none", "name": "two"}
    assert http.post("/api/v1/models/merge", json={**asked, "name": "../x"}).status_code == 422
    assert http.post("/api/v1/models/merge", json=asked).status_code == 202
    assert http.post("/api/v1/models/merge", json=asked).status_code == 409
    http.post("/api/v1/models/work/stop")
    assert ended(http)["sentence"] == "It was stopped."
    assert not (models / "two.safetensors").exists()


def test_another_site_cannot_begin_anything(client: tuple[TestClient, Path]) -> None:
    http, _ = client
    asked = {"primary": "one", "method": "none"}
    for headers in ({"Origin": "http://evil.test"}, {"Origin": "null"}):
        reply = http.post("/api/v1/models/merge", json=asked, headers=headers)
        assert reply.status_code == 403
