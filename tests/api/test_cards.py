"""Cards over HTTP: search, notes, and previews that are never more than a small picture."""

import io
import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from webui.app.house import House
from webui.contract.request import Canvas, GenerationRequest


@pytest.fixture
def wash(house: House, photo: bytes) -> Path:
    folder = house.settings.get().folders.models_dir / "Lora" / "cards"
    folder.mkdir(parents=True, exist_ok=True)
    name = "x_attn2_to_k.lora_down.weight"
    entry = {name: {"dtype": "U8", "shape": [1, 768], "data_offsets": [0, 768]}}
    text = json.dumps(entry).encode()
    path = folder / "watercolour.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(768))
    (folder / "watercolour.preview.png").write_bytes(photo)
    (folder / "watercolour.json").write_text('{"activation text": "wet paper"}', "utf-8")
    house.catalog.shelf.refresh()
    return path


def test_a_card_is_found_shown_and_written_on(client: TestClient, wash: Path) -> None:
    asked = {"deck": "lora", "text": "paper", "folder": "cards"}
    page = client.get("/api/v1/cards", params=asked).json()
    assert (page["total"], page["folders"]) == (1, ["cards"])
    card = page["cards"][0]
    assert card["insert"] == "<lora:watercolour:1> wet paper"
    assert str(wash.parent) not in json.dumps(page)
    written = client.put(f"/api/v1/cards/{card['id']}/notes", json={"weight": 0.7})
    assert written.json()["insert"] == "<lora:watercolour:0.7> wet paper"
    assert client.get(f"/api/v1/cards/{card['id']}/notes").json()["weight"] == 0.7
    assert client.put(f"/api/v1/cards/{card['id']}/notes", json={"weight": 99}).status_code == 422


def test_a_preview_is_a_small_webp_and_asked_for_once(client: TestClient, wash: Path) -> None:
    card = client.get("/api/v1/cards", params={"deck": "lora", "text": "watercolour"}).json()
    address = f"/api/v1/cards/{card['cards'][0]['id']}/preview"
    reply = client.get(address)
    assert reply.headers["content-type"] == "image/webp"
    assert reply.content[8:12] == b"WEBP"
    again = client.get(address, headers={"If-None-Match": reply.headers["etag"]})
    assert again.status_code == 304


def test_what_is_no_picture_is_never_sent(client: TestClient, wash: Path) -> None:
    (wash.parent / "watercolour.preview.png").write_bytes(b"<script>")
    card = client.get("/api/v1/cards", params={"deck": "lora", "text": "watercolour"}).json()
    reply = client.get(f"/api/v1/cards/{card['cards'][0]['id']}/preview")
    assert reply.status_code == 422
    assert client.get("/api/v1/cards/..%2F..%2Fsecret/preview").status_code == 404


def test_a_finished_picture_becomes_a_cards_and_goes_again(
    client: TestClient, house: House, wash: Path
) -> None:
    (wash.parent / "watercolour.preview.png").unlink()
    house.catalog.shelf.refresh()
    job = house.jobs.submit(GenerationRequest(canvas=Canvas(width=128, height=64)))
    artifact = house.jobs.wait(job.id, 20).artifacts[0]
    card = client.get("/api/v1/cards", params={"deck": "lora", "text": "watercolour"}).json()
    address = f"/api/v1/cards/{card['cards'][0]['id']}/preview"
    assert client.get(address).status_code == 404
    shown = client.put(address, json={"artifact": artifact.id})
    assert shown.status_code == 200, shown.text
    assert shown.json()["portrait"] > 0
    with Image.open(io.BytesIO(client.get(address).content)) as image:
        assert (image.format, image.size) == ("WEBP", (128, 64))
    assert client.put(address, json={"artifact": 10**6}).status_code == 404
    assert client.delete(address).json()["preview"] is False


def test_the_words_of_the_training_are_told(client: TestClient, wash: Path) -> None:
    card = client.get("/api/v1/cards", params={"deck": "lora", "text": "watercolour"}).json()
    told = client.get(f"/api/v1/cards/{card['cards'][0]['id']}/training")
    assert (told.status_code, told.json()) == (200, [])
