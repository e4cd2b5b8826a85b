"""POST /api/v1/estimate."""

from pathlib import Path

from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.tiny import write_file
from webui.app.house import House
from webui.contract.request import GenerationRequest, Model

BASE = "http://127.0.0.1:7860"


def test_a_request_is_weighed_before_it_is_queued(house: House, api: FastAPI) -> None:
    path: Path = house.settings.get().folders.models_dir / "weighed.safetensors"
    write_file(path)
    try:
        house.catalog.shelf.refresh()
        request = GenerationRequest(model=Model(checkpoint="weighed"))
        with TestClient(api, base_url=BASE) as client:
            answer = client.post("/api/v1/estimate", json=request.model_dump(mode="json"))
            missing = client.post("/api/v1/estimate", json={"model": {"checkpoint": "nowhere"}})
    finally:
        path.unlink()
        house.catalog.shelf.refresh()
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert set(told["weights_mb"]) == {"network", "vae", "text encoders"}
    assert told["peak_mb"]["full"] >= told["working_mb"] > 0
    assert told["sentence"].startswith("weighed needs about")
    assert missing.status_code == 422
    assert "nowhere" in missing.text
