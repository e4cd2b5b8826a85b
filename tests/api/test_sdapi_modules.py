"""VAEs and text encoders on the older surface: lists, options, answers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from starlette.testclient import TestClient

from webui.app.house import House
from webui.contract.request import Model
from webui.jobs.views import JobView

FAST = {"width": 64, "height": 64, "steps": 2}
FILES = ("VAE/soft.safetensors", "text_encoder/clip_l.safetensors", "text_encoder/t5.safetensors")


@pytest.fixture
def files(house: House) -> Iterator[dict[str, Path]]:
    """A VAE and two text encoders in the models folder, by their names there."""
    models = house.settings.get().folders.models_dir
    made = {Path(name).stem: models.resolve() / name for name in FILES}
    for path in made.values():
        path.parent.mkdir(exist_ok=True)
        save_file({"anything": torch.zeros(1)}, path)
    house.catalog.shelf.refresh()
    yield made
    for path in made.values():
        path.unlink()
    house.catalog.shelf.refresh()


Ask = Callable[..., Model]


@pytest.fixture
def ask(client: TestClient, last: Callable[[], JobView]) -> Ask:
    def post(**override: Any) -> Model:
        body = {**FAST, "override_settings": override}
        answer = client.post("/sdapi/v1/txt2img", json=body)
        assert answer.status_code == 200, answer.text
        return last().request.model

    return post


def test_vaes_and_modules_are_listed_by_file(client: TestClient, files: dict[str, Path]) -> None:
    soft = {"model_name": "soft.safetensors", "filename": str(files["soft"])}
    assert client.get("/sdapi/v1/sd-vae").json() == [soft]
    modules = client.get("/sdapi/v1/sd-modules").json()
    assert [module["model_name"] for module in modules] == [
        "soft.safetensors", "clip_l.safetensors", "t5.safetensors",
    ]  # fmt: skip


def test_modules_are_taken_by_name_and_by_path(ask: Ask, files: dict[str, Path]) -> None:
    names = ["clip_l.safetensors", "soft.safetensors", "t5"]
    for given in (names, [str(files[Path(name).stem]) for name in names], ["CLIP_L", "soft", "t5"]):
        model = ask(forge_additional_modules=given)
        assert model.vae == "soft.safetensors"
        assert model.text_encoders == ("clip_l.safetensors", "t5.safetensors")
    assert ask(forge_additional_modules=[], sd_vae="soft.safetensors").vae == "soft.safetensors"
    assert ask(forge_additional_modules=["soft"], sd_vae="Automatic").vae == "soft.safetensors"


def test_modules_that_were_set_hold_until_a_request_says_otherwise(
    client: TestClient, ask: Ask, files: dict[str, Path]
) -> None:
    chosen = {"forge_additional_modules": ["soft.safetensors", "t5.safetensors"]}
    assert client.post("/sdapi/v1/options", json=chosen).status_code == 200
    assert ask().text_encoders == ("t5.safetensors",)
    assert ask(forge_additional_modules=[]) == Model(checkpoint=ask().checkpoint)
    told = client.get("/sdapi/v1/options").json()["forge_additional_modules"]
    assert told == chosen["forge_additional_modules"]
    client.post("/sdapi/v1/options", json={"forge_additional_modules": []})
    assert ask().vae == ""


@pytest.mark.parametrize("value", ["soft", [3], ["nobody"]])
def test_modules_that_cannot_be_are_refused_by_their_older_name(
    client: TestClient, files: dict[str, Path], value: Any
) -> None:
    body = {**FAST, "override_settings": {"forge_additional_modules": value}}
    answer = client.post("/sdapi/v1/txt2img", json=body)
    assert answer.status_code in (404, 422)
    assert "forge_additional_modules" in answer.text


def test_an_answer_names_the_vae_that_was_used(client: TestClient, files: dict[str, Path]) -> None:
    def told(**override: Any) -> dict[str, Any]:
        body = {**FAST, "override_settings": override}
        return json.loads(client.post("/sdapi/v1/txt2img", json=body).json()["info"])

    assert (told()["sd_vae_name"], told()["sd_vae_hash"]) == (None, None)
    info = told(sd_vae="soft")
    assert (info["sd_vae_name"], info["sd_vae_hash"]) == ("soft.safetensors", "ab" * 5)
    assert "VAE" not in info["extra_generation_params"]


def test_previews_go_by_the_older_words(client: TestClient, house: House) -> None:
    def told() -> str:
        return client.get("/sdapi/v1/options").json()["show_progress_type"]

    assert told() == "Approx NN"
    assert client.post("/sdapi/v1/options", json={"show_progress_type": "TAESD"}).status_code == 200
    assert house.settings.get().live.preview_method == "taesd"
    assert told() == "TAESD"
    assert client.post("/sdapi/v1/options", json={"show_progress_type": "x"}).status_code == 422
    client.post("/sdapi/v1/options", json={"show_progress_type": "Approx NN"})


def test_eight_bits_are_decided_at_the_start(client: TestClient) -> None:
    assert client.get("/sdapi/v1/options").json()["fp8_storage"] == "Disable"
    assert client.post("/sdapi/v1/options", json={"fp8_storage": "Disable"}).status_code == 200
    answer = client.post("/sdapi/v1/options", json={"fp8_storage": "Enable"})
    assert answer.status_code == 422
    assert "--set engine.storage=fp8" in answer.text
