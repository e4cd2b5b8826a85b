import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from webui.app.house import House

SMALL = {"canvas": {"width": 64, "height": 64}, "sampling": {"steps": 2}}


def submit(client: TestClient, **request: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/jobs", json={**SMALL, **request})
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_a_job_is_queued_runs_and_its_picture_can_be_fetched(
    client: TestClient, finished: Callable[..., Any]
) -> None:
    job = submit(client, prompt={"positive": "a house"}, noise={"seed": 7})
    finished(job["id"])
    told = client.get(f"/api/v1/jobs/{job['id']}").json()
    assert told["state"] == "done"
    artifact = told["items"][0]["artifacts"][0]
    picture = client.get(f"/api/v1/artifacts/{artifact['id']}")
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert picture.content.startswith(b"\x89PNG")
    assert "a house" in artifact["infotext"]


def test_an_answer_to_a_new_job_says_where_it_is(client: TestClient) -> None:
    answer = client.post("/api/v1/jobs", json=SMALL)
    assert answer.headers["location"] == f"/api/v1/jobs/{answer.json()['id']}"


def test_a_download_carries_its_file_name(client: TestClient, finished: Callable[..., Any]) -> None:
    artifact = finished(submit(client, noise={"seed": 12})["id"]).artifacts[0]
    answer = client.get(f"/api/v1/artifacts/{artifact.id}?download=1")
    name = artifact.path.rsplit("/", 1)[-1]
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'


def test_a_picture_seen_before_is_not_sent_again(
    client: TestClient, finished: Callable[..., Any]
) -> None:
    artifact = finished(submit(client)["id"]).artifacts[0]
    for url in (f"/api/v1/artifacts/{artifact.id}", f"/api/v1/artifacts/{artifact.id}/thumbnail"):
        etag = client.get(url).headers["etag"]
        again = client.get(url, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")


def test_a_thumbnail_is_a_small_jpeg(client: TestClient, finished: Callable[..., Any]) -> None:
    artifact = finished(submit(client, canvas={"width": 512, "height": 256})["id"]).artifacts[0]
    answer = client.get(f"/api/v1/artifacts/{artifact.id}/thumbnail")
    assert answer.headers["content-type"] == "image/jpeg"
    assert len(answer.content) < 10_000


def test_an_unknown_artifact_or_job_is_404(client: TestClient) -> None:
    for url in (
        "/api/v1/artifacts/999999",
        "/api/v1/jobs/999999",
        "/internal/progress/999999",
        "/api/v1/jobs/999999/events",
    ):
        answer = client.get(url)
        assert answer.status_code == 404, url
        assert answer.json()["sentence"]


def test_a_running_job_is_stopped_and_keeps_its_picture(
    client: TestClient, finished: Callable[..., Any]
) -> None:
    job = submit(client, prompt={"positive": "hold"})
    wait_until_running(client, job["id"])
    assert client.post(f"/api/v1/jobs/{job['id']}/stop").status_code == 202
    assert len(finished(job["id"], "stopped").artifacts) == 1


def test_a_cancelled_job_discards_its_picture(
    client: TestClient, finished: Callable[..., Any]
) -> None:
    job = submit(client, prompt={"positive": "hold"})
    wait_until_running(client, job["id"])
    assert client.post(f"/api/v1/jobs/{job['id']}/cancel").status_code == 202
    assert finished(job["id"], "cancelled").artifacts == ()


def test_a_job_that_ended_well_can_be_neither_resumed_nor_discarded(
    client: TestClient, finished: Callable[..., Any]
) -> None:
    job = finished(submit(client)["id"])
    for verb in ("resume", "discard"):
        answer = client.post(f"/api/v1/jobs/{job.id}/{verb}")
        assert answer.status_code == 409
        assert answer.json()["error"] == "Conflict"


def test_jobs_are_listed_newest_first_and_by_state(
    client: TestClient, finished: Callable[..., Any]
) -> None:
    ids = [submit(client)["id"] for _ in range(2)]
    for job_id in ids:
        finished(job_id)
    listed = [job["id"] for job in client.get("/api/v1/jobs?limit=2&state=done").json()]
    assert listed == ids[::-1]
    assert client.get("/api/v1/jobs?state=painting").status_code == 422


def test_events_begin_with_a_snapshot_and_end_with_the_job(
    client: TestClient, finished: Callable[..., Any]
) -> None:
    job = submit(client)
    events = read_events(client.get(f"/api/v1/jobs/{job['id']}/events").text)
    assert events[0][1] == "snapshot"
    last = events[-1]
    assert last[2].get("state", last[2].get("job", {}).get("state")) == "done"
    numbers = [number for number, _, _ in events]
    assert numbers == sorted(numbers)


def test_events_go_on_after_the_last_one_that_was_received(
    client: TestClient, house: House, finished: Callable[..., Any]
) -> None:
    job = submit(client, prompt={"positive": "hold"})
    wait_until_running(client, job["id"])
    seen = house.jobs.snapshot(job["id"]).seq
    client.post(f"/api/v1/jobs/{job['id']}/stop")
    finished(job["id"], "stopped")
    text = client.get(f"/api/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": str(seen)}).text
    events = read_events(text)
    assert events[-1][0] > seen


def test_an_upload_is_taken_raw_and_as_a_form(client: TestClient, photo: bytes) -> None:
    raw = client.post("/api/v1/blobs", content=photo, headers={"Content-Type": "image/png"})
    form = client.post("/api/v1/blobs", files={"image": ("../../x.html", photo, "text/html")})
    assert raw.status_code == form.status_code == 201
    assert raw.json() == form.json()


def test_an_upload_can_be_seen_again(client: TestClient, photo: bytes) -> None:
    blob = client.post("/api/v1/blobs", content=photo, headers={"Content-Type": "image/png"}).json()
    answer = client.get(f"/api/v1/blobs/{blob['sha256']}")
    assert answer.content == photo
    assert answer.headers["content-type"] == "image/png"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert client.get(f"/api/v1/blobs/{'0' * 64}").status_code == 404
    for name in ("../../x", "..%2f..%2fx", "A" * 64, "0" * 63):
        assert client.get(f"/api/v1/blobs/{name}").status_code in (404, 422)


@pytest.mark.parametrize("body", [b"", b"<svg onload='x'/>", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_an_upload_that_is_no_picture_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/v1/blobs", content=body, headers={"Content-Type": "image/png"})
    assert answer.status_code == 422
    assert answer.json()["field"] == "image"


def test_a_form_without_a_file_is_refused(client: TestClient) -> None:
    answer = client.post("/api/v1/blobs", data={"image": "text"}, files={})
    assert answer.status_code == 422


def test_img2img_starts_from_an_uploaded_blob(
    client: TestClient, photo: bytes, finished: Callable[..., Any]
) -> None:
    blob = client.post("/api/v1/blobs", content=photo, headers={"Content-Type": "image/png"}).json()
    job = submit(client, source={"image": blob, "denoising_strength": 0.5})
    assert finished(job["id"]).mode == "img2img"


@pytest.mark.parametrize(
    "image",
    [
        {
            "kind": "rooted",
            "root_id": "x",
            "relative_path": "/etc/passwd",
            "size": 1,
            "mtime_ns": 1,
        },
        {"kind": "output", "item": 0},
        {"kind": "blob", "sha256": "0" * 64},
    ],
)
def test_a_source_that_was_not_uploaded_is_refused(
    client: TestClient, image: dict[str, Any]
) -> None:
    answer = client.post("/api/v1/jobs", json={**SMALL, "source": {"image": image}})
    assert answer.status_code == 422
    assert answer.json()["field"] == "source.image"


def test_the_vocabulary_and_the_fields_describe_the_form(client: TestClient) -> None:
    words = client.get("/api/v1/vocabulary").json()
    assert "Euler a" in {word["label"] for word in words["samplers"]}
    assert "sketch.safetensors" in {word["id"] for word in words["checkpoints"]}
    fields = {field["path"]: field for field in client.get("/api/v1/fields").json()}
    assert fields["sampling.steps"]["high"] == 150
    assert fields["sampling.sampler"]["choices"] == "samplers"


def test_an_infotext_gives_its_request_back(client: TestClient) -> None:
    text = "a house\nSteps: 12, Sampler: Euler a, CFG scale: 5.0, Seed: 3, Size: 64x128"
    answer = client.post("/api/v1/infotext", json={"text": text}).json()
    assert answer["request"]["sampling"]["steps"] == 12
    assert answer["request"]["canvas"]["height"] == 128


def test_a_finished_picture_gives_its_request_back(
    client: TestClient, photo: bytes, finished: Callable[..., Any]
) -> None:
    artifact = finished(submit(client, noise={"seed": 99})["id"]).artifacts[0]
    picture = client.get(f"/api/v1/artifacts/{artifact.id}").content
    headers = {"Content-Type": "image/png"}
    answer = client.post("/api/v1/infotext/image", content=picture, headers=headers)
    assert answer.json()["request"]["noise"]["seed"] == 99
    empty = client.post("/api/v1/infotext/image", content=photo, headers=headers)
    assert empty.status_code == 422


def test_the_live_view_gets_progress_a_preview_once_and_the_pictures(
    client: TestClient, finished: Callable[..., Any]
) -> None:
    job = submit(client, prompt={"positive": "hold"})
    wait_until_running(client, job["id"])
    url = f"/internal/progress/{job['id']}"
    told = client.get(url).json()
    assert told["state"] == "running"
    assert told["preview"].startswith("data:image/jpeg;base64,")
    assert client.get(f"{url}?preview={told['preview_seq']}").json().get("preview") is None
    assert client.get("/internal/running").json()[0]["id"] == job["id"]
    client.post(f"/api/v1/jobs/{job['id']}/stop")
    finished(job["id"], "stopped")
    done = client.get(url).json()
    assert done["ended"] and done["fraction"] == 1.0
    assert client.get(done["images"][0]["url"]).status_code == 200
    assert client.get(f"{url}?since={done['seq']}").json() == {"seq": done["seq"]}


def test_the_live_view_says_why_a_job_failed(
    client: TestClient, finished: Callable[..., Any]
) -> None:
    job = finished(submit(client, prompt={"positive": "broken numbers"})["id"], "failed")
    told = client.get(f"/internal/progress/{job.id}").json()
    assert "decoding" in told["error"]


def test_the_manual_is_served_without_any_outside_host(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "/api/v1/jobs" in page and "/sdapi/v1/txt2img" in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    schema = client.get("/openapi.json").json()
    body = schema["components"]["schemas"]["Txt2ImgBody"]["properties"]
    assert body["steps"]["default"] == 50


def test_large_json_is_compressed_and_event_streams_are_not(client: TestClient) -> None:
    job = submit(client)
    assert client.get("/openapi.json").headers["content-encoding"] == "gzip"
    events = client.get(f"/api/v1/jobs/{job['id']}/events")
    assert "content-encoding" not in events.headers
    assert events.headers["content-type"].startswith("text/event-stream")


def wait_until_running(client: TestClient, job_id: int) -> None:
    for _ in range(2000):
        if client.get(f"/internal/progress/{job_id}").json()["step"]:
            return
    raise AssertionError("the job did not begin")


def read_events(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    found: list[tuple[int, str, dict[str, Any]]] = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found
