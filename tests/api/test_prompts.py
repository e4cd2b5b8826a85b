"""How prompts are read, over HTTP."""

from starlette.testclient import TestClient

from webui.errors import TooLarge


def test_a_prompt_is_explained(client: TestClient) -> None:
    body = {"prompt": "a [red:blue:0.5] (cat:1.3) <lora:ink>", "steps": 10}
    told = client.post("/api/v1/explain", json=body).json()
    (part,) = told["parts"]
    assert [(s["first"], s["last"]) for s in part["schedule"]] == [(1, 6), (7, 10)]
    tokens = part["texts"][0]["chunks"][0]["tokens"]
    assert [(t["text"], t["weight"]) for t in tokens][-1] == ("cat ", 1.3)
    assert told["networks"][0]["name"] == "ink"
    assert (told["used"], told["room"]) == (3, 75)


def test_samplers_are_named_as_people_do(client: TestClient) -> None:
    asked = {"prompt": "[a:b:0.5]", "steps": 10, "sampler": "Heun"}
    assert client.post("/api/v1/explain", json=asked).json()["unit"] == "call"
    wrong = client.post("/api/v1/explain", json={**asked, "sampler": "Hoin"})
    assert wrong.status_code == 422
    assert wrong.json()["nearest"] == ["Heun"]


def test_an_unknown_checkpoint_is_named(client: TestClient) -> None:
    answer = client.post("/api/v1/explain", json={"prompt": "", "checkpoint": "nobody"})
    assert answer.status_code == 422
    assert answer.json()["field"] == "model.checkpoint"
    assert "nobody" in answer.json()["sentence"]


def test_a_million_brackets_are_refused(client: TestClient) -> None:
    assert client.post("/api/v1/explain", json={"prompt": "(" * 1_000_000}).status_code == 422
    many = client.post("/api/v1/explain", json={"prompt": "(" * 50_000})
    assert many.status_code == 413
    assert many.json()["error"] == TooLarge.__name__
