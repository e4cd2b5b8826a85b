"""The issue's table of bad input: each a 4xx with its field and a sentence, and nothing queued."""

import base64
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from webui import errors
from webui.api.faults import STATUS, status_of
from webui.app.house import House
from webui.errors import NotFound, StorageError, WebuiError

SMALL = {"canvas": {"width": 64, "height": 64}, "sampling": {"steps": 1}}


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def huge_png() -> bytes:
    """A PNG of 50,000 x 50,000 pixels by its header, in a few bytes."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100_000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.fixture(autouse=True)
def nothing_is_queued(house: House) -> Iterator[None]:
    before = [job.id for job in house.jobs.list(1)]
    yield
    assert [job.id for job in house.jobs.list(1)] == before


def native(client: TestClient, body: Any) -> tuple[int, dict[str, Any]]:
    if isinstance(body, str):
        answer = client.post(
            "/api/v1/jobs", content=body, headers={"Content-Type": "application/json"}
        )
    else:
        answer = client.post("/api/v1/jobs", json=body)
    assert client.get("/health").status_code == 200
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("body", "field", "word"),
    [
        ({"sampling": {"sampler": "Eular a"}}, "sampling.sampler", "'Euler a'"),
        ({"canvas": {"width": 10**6}}, "canvas.width", "at most 2048"),
        ({"canvas": {"width": 100}}, "canvas.width", "multiple of 8"),
        ('{"sampling": {"cfg_scale": NaN}}', "sampling.cfg_scale", "finite"),
        ('{"sampling": {"cfg_scale": 1e999}}', "sampling.cfg_scale", "finite"),
        ('{"canvas": {"height": NaN}}', "canvas.height", "finite"),
        ({"model": {"checkpoint": "skech.safetensors"}}, "model.checkpoint", "sketch.safetensors"),
        ({"sampling": {"steps": 10**9}}, "sampling.steps", "at most 150"),
        ({"sampling": {"steps": 10**400}}, "sampling.steps", "at most 150"),
        ({"sampling": {"steps": 1.5}}, "sampling.steps", "whole number"),
        ({"sampling": {"stepz": 1}}, "sampling.stepz", "sampling.steps"),
        ({"canvas": {"batch_count": 1000, "batch_size": 16}}, "canvas.batch_count", "limit"),
        ({"prompt": {"positive": "x" * 100_001}}, "prompt.positive", "100000 characters"),
        ({"prompt": {"positive": ["x"]}}, "prompt.positive", "text"),
        ({"prompt": {"styles": ["no such style"]}}, "prompt.styles", "no such style"),
        ({"source": {"image": {"kind": "blob", "sha256": "xyz"}}}, "source.image.sha256", "form"),
        ({"source": {"image": {"kind": "file"}}}, "source.image", "kind"),
        ({"source": {}}, "source.image", "missing"),
        ({"noise": {"source": "dice"}}, "noise.source", "one of"),
        ({"script": {"name": "no_such"}}, "script.name", "no_such"),
        ({"hires": {"upscaler": "Lanczoz"}}, "hires.upscaler", "Lanczos"),
        ("{", "", "valid JSON"),
        ("[" * 100_000, "", ""),
        ('{"prompt": {"positive": "\\ud800"}}', "prompt.positive", "text"),
    ],
)
def test_the_native_api_names_the_field(
    client: TestClient, body: Any, field: str, word: str
) -> None:
    status, told = native(client, body)
    assert 400 <= status < 500, told
    assert told["field"] == field, told
    assert word in told["sentence"]
    assert told["error"] and told["detail"]


def test_nearest_names_are_given_as_a_list(client: TestClient) -> None:
    _, told = native(client, {"sampling": {"sampler": "Eular a"}})
    assert "Euler a" in told["nearest"]


@pytest.mark.parametrize(
    ("body", "status", "field", "word"),
    [
        ({"sampler_name": "Eular a"}, 404, "sampler_name", "Euler a"),
        ({"sampler_index": "nonsense"}, 404, "sampler_index", "nonsense"),
        ({"scheduler": "Karas"}, 422, "scheduler", "Karras"),
        ({"width": 10**6}, 422, "width", "at most 2048"),
        ({"width": 4}, 422, "width", "at least 64"),
        ({"steps": 10**9}, 422, "steps", "at most 150"),
        ({"n_iter": 10**9}, 422, "n_iter", "at most 1000"),
        (
            {"override_settings": {"sd_model_checkpoint": "skech"}},
            422,
            "override_settings.sd_model_checkpoint",
            "sketch",
        ),
        (
            {"override_settings": {"clip_stop_at_last_layer": 2}},
            422,
            "override_settings.clip_stop_at_last_layer",
            "CLIP_stop_at_last_layers",
        ),
        (
            {"override_settings": {"CLIP_stop_at_last_layers": "x"}},
            422,
            "override_settings.CLIP_stop_at_last_layers",
            "whole number",
        ),
        ({"enable_hr": True, "hr_upscaler": "R-ESRGAN 4x+"}, 422, "hr_upscaler", "R-ESRGAN"),
        ({"enable_hr": True, "hr_scale": 40}, 422, "hr_scale", "at most 4"),
        ({"enable_hr": True, "hr_sampler_name": "Eulr"}, 404, "hr_sampler_name", "Euler"),
        ({"restore_faces": True}, 422, "restore_faces", "face"),
        ({"refiner_checkpoint": "x"}, 422, "refiner_checkpoint", "checkpoint"),
        ({"script_name": "X/Y/Z plott"}, 422, "script_name", "X/Y/Z plott"),
        (
            {"alwayson_scripts": {"ADetailer": {"args": [True]}}},
            422,
            "alwayson_scripts",
            "ADetailer",
        ),
    ],
)
def test_the_older_surface_names_the_field_in_its_own_words(
    client: TestClient, body: dict[str, Any], status: int, field: str, word: str
) -> None:
    answer = client.post("/sdapi/v1/txt2img", json=body)
    told = answer.json()
    assert answer.status_code == status, told
    assert {"error", "detail", "body", "errors"} <= set(told)
    assert told["field"] == field
    assert word in told["errors"]


@pytest.mark.parametrize("text", ['{"cfg_scale": NaN}', '{"width": NaN}', '{"steps": "many"}'])
def test_wrong_types_keep_the_shape_of_a_validation_error(client: TestClient, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/sdapi/v1/txt2img", content=text, headers=headers)
    assert answer.status_code == 422
    first = answer.json()["detail"][0]
    assert first["loc"][0] == "body" and first["field"] in text and first["msg"]


def test_the_older_texts_stay_what_clients_look_for(client: TestClient) -> None:
    def detail(mode: str, **body: Any) -> str:
        return client.post(f"/sdapi/v1/{mode}", json=body).json()["detail"]

    assert detail("txt2img", sampler_name="x") == "Sampler not found"
    assert detail("img2img") == "Init image not found"
    assert detail("txt2img", script_name="x") == "Script 'x' not found"


@pytest.mark.parametrize(
    ("picture", "status"),
    [
        ("not base64!", 422),
        (base64.b64encode(b"no picture").decode(), 422),
        ("", 422),
        ("data:image/png;base64,", 422),
        ("http://127.0.0.1/x.png", 422),
        (base64.b64encode(huge_png()).decode(), 413),
        ("truncated", 422),
    ],
)
def test_broken_pictures_are_refused_by_both_surfaces(
    client: TestClient, photo: bytes, picture: str, status: int
) -> None:
    if picture == "truncated":
        picture = base64.b64encode(photo[: len(photo) // 2]).decode()
    for mode, body, field in (
        ("img2img", {"init_images": [picture]}, "init_images"),
        ("png-info", {"image": picture}, "image"),
    ):
        if mode == "png-info" and picture == base64.b64encode(photo[: len(photo) // 2]).decode():
            continue  # its text can be read without its pixels
        answer = client.post(f"/sdapi/v1/{mode}", json=body)
        assert answer.status_code == status, (mode, answer.text)
        assert answer.json()["field"] == field
        assert answer.json()["errors"]


def test_broken_uploads_are_refused(client: TestClient, photo: bytes) -> None:
    for data, status in ((huge_png(), 413), (photo[: len(photo) // 2], 422)):
        answer = client.post("/api/v1/blobs", content=data, headers={"Content-Type": "image/png"})
        assert answer.status_code == status
        assert answer.json()["field"] == "image"


def test_a_part_that_is_not_here_is_refused_rather_than_ignored(
    client: TestClient, photo64: str
) -> None:
    body = {"init_images": [photo64], "restore_faces": True}
    answer = client.post("/sdapi/v1/img2img", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, "restore_faces")


def test_a_mask_field_out_of_bounds_is_named_as_it_was_sent(
    client: TestClient, photo64: str
) -> None:
    wrong = {"mask_blur": 65, "inpainting_fill": 4, "inpaint_full_res_padding": -1}
    for name, value in wrong.items():
        body = {"init_images": [photo64], "mask": photo64, name: value}
        answer = client.post("/sdapi/v1/img2img", json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, name)


def test_an_unknown_address_keeps_the_plain_shape(client: TestClient) -> None:
    assert client.get("/sdapi/v1/nothing").json()["detail"] == "Not Found"
    assert client.put("/sdapi/v1/txt2img").status_code == 405


def test_every_error_of_the_tree_has_a_status() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, WebuiError)]
    assert set(kinds) == set(STATUS)


def test_a_name_in_a_field_is_a_wrong_value_and_a_name_in_the_address_is_not_there() -> None:
    assert status_of(NotFound("sampler", "x", (), "sampling.sampler")) == 422
    assert status_of(NotFound("job", "7")) == 404


def test_a_full_disk_is_told_apart() -> None:
    error = StorageError("The picture could not be written.")
    error.__cause__ = OSError(28, "no space")
    assert (status_of(error), status_of(StorageError("?"))) == (507, 500)


def test_the_faces_never_load_torch() -> None:
    code = (
        "import sys, webui.api.application\n"
        "bad = {'torch', 'diffusers', 'transformers', 'gradio'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
