"""Downloads over HTTP."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from starlette.testclient import TestClient

from tests.api.conftest import BASE, settings_in
from tests.library.download.serving import Site, serve, whole
from webui.app.house import build_house
from webui.app.web import build_app
from webui.contract.fields import replace

EMBEDDING = save({"emb_params": torch.zeros(2, 768)})


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve() as made:
        made.answers["/words.safetensors"] = whole(EMBEDDING)
        yield made


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory, site: Site
) -> Iterator[tuple[TestClient, Path]]:
    settings = settings_in(tmp_path_factory.mktemp("downloads"))
    settings = replace(settings, "downloads.private_hosts", (site.host,))
    house = build_house(settings)
    app = build_app(house, with_page=False)
    yield TestClient(app, BASE), settings.folders.models_dir
    house.jobs.close()


def ended(client: TestClient) -> dict[str, Any]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        work = client.get("/api/v1/downloads/work").json()
        if work["state"] != "running":
            return work
        time.sleep(0.05)
    raise AssertionError("the download does not end")


def test_a_model_is_looked_up_and_fetched_after_the_yes(
    client: tuple[TestClient, Path], site: Site
) -> None:
    http, models = client
    address = f"{site.base}/words.safetensors?token=secret"
    offered = http.post("/api/v1/downloads/offers", json={"address": address})
    assert offered.status_code == 200
    offer = offered.json()
    assert "secret" not in offered.text
    assert offer["choices"][0]["size"] == len(EMBEDDING)
    assert offer["free"] > 0
    assert not (models / "embeddings").exists()
    begun = http.post("/api/v1/downloads", json={"offer": offer["id"]})
    assert begun.status_code == 202
    assert ended(http)["sentence"] == "embeddings/words.safetensors is here (embedding sd1)."
    assert (models / "embeddings" / "words.safetensors").read_bytes() == EMBEDDING
    assert http.get("/api/v1/downloads").json() == []
    assert http.post("/api/v1/downloads", json={"offer": offer["id"]}).status_code == 202
    ended(http)  # by its name alone nobody can tell what it is: it is kept beside the first


def test_what_cannot_be_is_refused_in_words(client: tuple[TestClient, Path]) -> None:
    http, _ = client
    for address in ("file:///etc/passwd", "http://127.0.0.1:1/x.safetensors", "nothing"):
        reply = http.post("/api/v1/downloads/offers", json={"address": address})
        assert reply.status_code == 422
        assert reply.json()["field"] == "address"
    assert http.post("/api/v1/downloads", json={"offer": "gone"}).status_code == 422
    assert http.post("/api/v1/downloads/gone/resume").status_code in (404, 422)
    assert http.delete("/api/v1/downloads/gone").status_code in (404, 422)


def test_another_site_cannot_begin_anything(client: tuple[TestClient, Path]) -> None:
    http, _ = client
    for path in ("offers", "x/resume", "work/stop"):
        reply = http.post(f"/api/v1/downloads/{path}", headers={"Origin": "http://evil.test"})
        assert reply.status_code == 403
