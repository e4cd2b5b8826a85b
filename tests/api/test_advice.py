"""GET /api/v1/advice, over a real models folder."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from webui.api.advice import advice_routes
from webui.api.faults import add_faults
from webui.errors import NotFound
from webui.weights.families.advice import advise

STARTER = Path(__file__).resolve().parents[2] / "models" / "starter"


def test_a_client_asks_what_a_checkpoint_is_best_asked_for() -> None:
    def answer(checkpoint: str):
        if checkpoint not in ("", "starter"):
            raise NotFound("checkpoint", checkpoint, ("starter",), "checkpoint")
        return advise(STARTER)

    app = FastAPI()
    add_faults(app)
    app.include_router(advice_routes(answer))
    client = TestClient(app)
    told = client.get("/api/v1/advice").json()
    assert (told["width"], told["height"], told["why"]) == (256, 256, "")
    assert client.get("/api/v1/advice", params={"checkpoint": "starter"}).json() == told
    assert client.get("/api/v1/advice", params={"checkpoint": "x"}).status_code == 422
