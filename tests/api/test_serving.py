"""The API on a real server, with real connections that wait, break and come back."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from webui.api.application import protect
from webui.app.house import House

FAST = {"width": 64, "height": 64, "steps": 2}


@contextmanager
def listening(app: Any) -> Iterator[str]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", lifespan="off", proxy_headers=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def url(whole: FastAPI, house: House) -> Iterator[str]:
    with listening(protect(whole, house.settings.get())) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=20) as client:
        yield client


def until_running(client: httpx.Client) -> dict[str, Any]:
    for _ in range(1000):
        told = client.get("/sdapi/v1/progress").json()
        if told["state"]["sampling_step"]:
            return told
        time.sleep(0.005)
    raise AssertionError("nothing began to run")


def test_progress_and_interrupt_work_while_a_call_waits(client: httpx.Client) -> None:
    with ThreadPoolExecutor(1) as pool:
        body = {**FAST, "prompt": "hold", "n_iter": 2}
        waiting = pool.submit(client.post, "/sdapi/v1/txt2img", json=body)
        told = until_running(client)
        assert told["state"]["job_count"] == 2 and told["state"]["job_no"] == 0
        assert 0 < told["progress"] < 1
        assert told["current_image"]
        unseen = client.get("/sdapi/v1/progress?skip_current_image=true").json()
        assert unseen["current_image"] is None
        assert client.post("/sdapi/v1/interrupt").json() == {}
        answer = waiting.result(20)
    assert answer.status_code == 200
    assert len(answer.json()["images"]) == 1


def test_skip_ends_one_picture_and_the_job_goes_on(client: httpx.Client) -> None:
    with ThreadPoolExecutor(1) as pool:
        body = {**FAST, "prompt": "hold", "n_iter": 2}
        waiting = pool.submit(client.post, "/sdapi/v1/txt2img", json=body)
        until_running(client)
        client.post("/sdapi/v1/skip")
        while client.get("/sdapi/v1/progress").json()["state"]["job_no"] == 0:
            time.sleep(0.005)
        until_running(client)
        client.post("/sdapi/v1/skip")
        answer = waiting.result(20)
    assert len(answer.json()["images"]) == 2


def test_fifty_waiting_calls_leave_the_server_free(client: httpx.Client, house: House) -> None:
    with ThreadPoolExecutor(50) as pool:
        hold = {**FAST, "prompt": "hold"}
        calls = [pool.submit(client.post, "/sdapi/v1/txt2img", json=hold)]
        until_running(client)
        body = {**FAST, "steps": 1}
        calls += [pool.submit(client.post, "/sdapi/v1/txt2img", json=body) for _ in range(49)]
        while len(house.jobs.list(100, ("queued",))) < 49:
            assert client.get("/health").json() == {"status": "ok"}
        client.post("/sdapi/v1/interrupt")
        assert {call.result(20).status_code for call in calls} == {200}


def test_a_client_that_leaves_leaves_its_job_running(client: httpx.Client, house: House) -> None:
    before = house.jobs.list(1)[0].id
    with pytest.raises(httpx.ReadTimeout):
        client.post("/sdapi/v1/txt2img", json={**FAST, "prompt": "hold"}, timeout=0.3)
    job = house.jobs.list(1)[0]
    assert job.id > before
    until_running(client)
    assert house.jobs.get(job.id).state == "running"
    house.jobs.stop(job.id)
    assert len(house.jobs.wait(job.id, 20).artifacts) == 1


@pytest.mark.parametrize(
    ("words", "status", "told"), [("broken numbers", 500, "decoding"), ("crash", 500, "broke off")]
)
def test_a_failed_job_is_a_5xx_with_its_sentence(
    client: httpx.Client, words: str, status: int, told: str
) -> None:
    answer = client.post("/sdapi/v1/txt2img", json={**FAST, "prompt": words})
    assert answer.status_code == status
    assert told in answer.json()["errors"]
    assert client.get("/health").status_code == 200


def test_an_event_stream_is_live_and_can_be_taken_up_again(client: httpx.Client) -> None:
    body = {"prompt": {"positive": "hold"}, "canvas": {"width": 64, "height": 64}}
    job = client.post("/api/v1/jobs", json=body).json()["id"]
    until_running(client)
    url = f"/api/v1/jobs/{job}/events"
    with client.stream("GET", url) as stream:
        seen, kind = next(numbered(stream))
    assert kind == "snapshot"
    with client.stream("GET", url, headers={"Last-Event-ID": str(seen)}) as stream:
        client.post(f"/api/v1/jobs/{job}/stop")
        later = list(numbered(stream))
    assert "snapshot" not in {kind for _, kind in later}
    assert min(n for n, _ in later) > seen
    assert later[-1][1] == "job"


def test_a_body_that_never_ends_is_cut_off(client: httpx.Client, house: House) -> None:
    limit = house.settings.get().limits.max_upload_mb * 2**20

    def endless() -> Iterator[bytes]:
        sent = 0
        while sent < 3 * limit:
            yield b"x" * 2**20
            sent += 2**20

    try:
        status = client.post("/api/v1/blobs", content=endless()).status_code
    except httpx.TransportError:
        status = 413  # the connection was closed in our face
    assert status == 413
    assert client.get("/health").status_code == 200


def numbered(stream: httpx.Response) -> Iterator[tuple[int, str]]:
    number = 0
    for line in stream.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "event":
            yield number, value
        elif name == "data":
            json.loads(value)
