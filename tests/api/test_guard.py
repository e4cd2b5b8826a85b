import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from tests.api.conftest import BASE
from webui.api.application import protect
from webui.api.guard import Guard, Rules, make_rules
from webui.app.house import House
from webui.contract.fields import nest

SOCKET = "ws://127.0.0.1:7860/queue"
REFUSED = "This server does not"


def addresses(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of everything that the router answers, below mounts and routers too."""
    for route in routes:
        if isinstance(route, Mount):
            yield from ((m, f"{prefix}{route.path}/anything") for m in ("GET", "POST"))
        elif isinstance(route, Route):
            path = prefix + route.path
            for name in route.param_convertors:
                path = path.replace("{" + name + "}", "1")
            yield from ((method, path) for method in sorted(route.methods or ()))
        else:
            context = getattr(route, "include_context", None)
            inner = getattr(route, "original_router", None)
            assert isinstance(inner, APIRouter), f"a kind of route this test does not know: {route}"
            yield from addresses(list(inner.routes), prefix + getattr(context, "prefix", ""))


@pytest.fixture
def outer(whole: FastAPI, house: House) -> TestClient:
    return TestClient(protect(whole, house.settings.get()), BASE, raise_server_exceptions=False)


def test_every_route_refuses_a_foreign_host_and_a_foreign_origin(
    house: House, whole: FastAPI, outer: TestClient
) -> None:
    found = list(addresses(list(whole.routes)))
    assert ("POST", "/api/v1/jobs") in found and ("POST", "/sdapi/v1/img2img") in found
    assert ("GET", "/openapi.json") in found and ("GET", "/anything") in found
    assert len(found) > 50
    for method, path in found:
        for headers in (
            {"Host": "evil.test"},
            {"Host": "evil.test", "Origin": "http://evil.test"},
            {"Origin": "http://evil.test"},
            {"Origin": "null"},
        ):
            answer = outer.request(method, path, headers=headers)
            assert answer.status_code == 403, (method, path, headers)
            assert method == "HEAD" or answer.text.startswith(REFUSED)
    assert house.jobs.current() is None


@pytest.mark.parametrize(
    "host",
    ["a/b?c=", "127.0.0.1:7860:1", "127.0.0.1@evil.test", "", "[::1", "127.0.0.1 ", "127.0.0.1,x"],
)
def test_a_malformed_host_is_refused(outer: TestClient, host: str) -> None:
    assert outer.get("/health", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:7860", "[::1]:7860"])
def test_this_machines_own_names_are_welcome(outer: TestClient, host: str) -> None:
    assert outer.get("/health", headers={"Host": host}).status_code == 200


def test_two_host_headers_are_refused() -> None:
    scope = http_scope([(b"host", b"127.0.0.1"), (b"host", b"evil.test")])
    assert status_of(scope, Rules()) == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:7860", 200),
        ("http://127.0.0.1:7861", 403),
        ("http://localhost:7860", 403),
        ("https://127.0.0.1:7860", 200),
        ("file://", 403),
        ("http://[", 403),
    ],
)
def test_an_origin_must_name_the_host(outer: TestClient, origin: str, status: int) -> None:
    assert outer.get("/health", headers={"Origin": origin}).status_code == status


def test_a_default_port_may_be_left_out_on_either_side() -> None:
    rules = make_rules(allowed_hosts=("sd.example",))
    for host, origin in (
        (b"sd.example", b"https://sd.example"),
        (b"sd.example:443", b"https://sd.example"),
        (b"sd.example", b"http://sd.example:80"),
    ):
        assert status_of(http_scope([(b"host", host), (b"origin", origin)]), rules) == 200


def test_a_link_from_elsewhere_opens_the_page_and_nothing_more(outer: TestClient) -> None:
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert outer.get("/", headers={**cross, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    assert outer.get("/", headers={**cross, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert outer.post("/", headers={**cross, "Sec-Fetch-Mode": "navigate"}).status_code == 403
    assert outer.post("/", headers={"Sec-Fetch-Site": "same-site"}).status_code == 403
    assert outer.post("/", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_foreign_websocket_is_refused_before_it_is_accepted(outer: TestClient) -> None:
    with outer.websocket_connect(SOCKET):
        pass
    for headers in ({"Origin": "http://evil.test"}, {"Origin": "null"}, {"Host": "evil.test"}):
        with pytest.raises(Exception) as refusal, outer.websocket_connect(SOCKET, headers=headers):
            pass
        assert getattr(refusal.value, "code", 1008) == 1008


def test_configured_names_origins_and_own_addresses_are_welcome() -> None:
    rules = make_rules(
        "0.0.0.0",
        allowed_hosts=("sd.example", ".proxy.example"),
        cors_origins=("https://app.example/",),
    )
    for host in (b"sd.example:8", b"x.proxy.example", b"192.0.2.7:7860"):
        scope = http_scope([(b"host", host)], server=("192.0.2.7", 7860))
        assert status_of(scope, rules) == 200, host
    for host in (b"proxy.example", b"evilsd.example", b"192.0.2.8", b"xproxy.example"):
        scope = http_scope([(b"host", host)], server=("192.0.2.7", 7860))
        assert status_of(scope, rules) == 403, host
    friend = [
        (b"host", b"sd.example"),
        (b"origin", b"https://app.example"),
        (b"sec-fetch-site", b"cross-site"),
    ]
    assert status_of(http_scope(friend, method="POST"), rules) == 200


def test_an_address_that_is_not_listened_on_is_foreign() -> None:
    scope = http_scope([(b"host", b"192.0.2.7")], server=("192.0.2.7", 7860))
    assert status_of(scope, make_rules("127.0.0.1")) == 403


def test_a_configured_origin_gets_its_preflight_and_its_answer(
    house: House, whole: FastAPI
) -> None:
    settings = nest(house.settings.get(), {"server.cors_origins": ("https://app.example",)})
    with TestClient(protect(whole, settings), BASE) as client:
        asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        preflight = client.options("/api/v1/jobs", headers=asked)
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        answer = client.get("/health", headers={"Origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert client.get("/health", headers={"Origin": "https://b.example"}).status_code == 403


def test_no_answer_allows_other_origins_unless_configured(outer: TestClient) -> None:
    answer = outer.get("/health", headers={"Origin": BASE})
    assert "access-control-allow-origin" not in answer.headers


def test_every_answer_carries_the_security_headers(outer: TestClient) -> None:
    for answer in (
        outer.get("/"),
        outer.get("/health"),
        outer.get("/sdapi/v1/samplers"),
        outer.get("/", headers={"Host": "evil.test"}),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy and "default-src 'self'" in policy
        assert "http:" not in policy and "https:" not in policy


def test_a_body_above_the_limit_is_refused_without_reading_it() -> None:
    scope = http_scope([(b"host", b"127.0.0.1"), (b"content-length", b"1001")], method="POST")
    assert status_of(scope, Rules(max_body=1000), app=reading) == 413


def test_a_body_without_a_length_is_cut_off_at_the_limit() -> None:
    scope = http_scope([(b"host", b"127.0.0.1")], method="POST")
    assert status_of(scope, Rules(max_body=1000), app=reading, chunks=[b"x" * 600] * 50) == 413
    assert status_of(scope, Rules(max_body=1000), app=reading, chunks=[b"x" * 400] * 2) == 200


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"9" * 5000, b"0x10"])
def test_a_length_that_is_no_number_is_refused(length: bytes) -> None:
    scope = http_scope([(b"host", b"127.0.0.1"), (b"content-length", length)], method="POST")
    assert status_of(scope, Rules(), app=reading) == 413


def test_an_upload_above_the_limit_is_413_through_the_whole_house(
    house: House, whole: FastAPI
) -> None:
    settings = nest(house.settings.get(), {"limits.max_upload_mb": 1})
    with TestClient(protect(whole, settings), BASE) as client:

        def chunks() -> Iterator[bytes]:
            yield from [b"x" * 2**18] * 5

        for url in ("/api/v1/blobs", "/sdapi/v1/txt2img"):
            headers = {"Content-Type": "application/json"}
            assert client.post(url, content=chunks(), headers=headers).status_code == 413


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RuntimeError("the client has gone")
        more = message.get("more_body", False)
    await PlainTextResponse("read")(scope, receive, send)


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("welcome")(scope, receive, send)


def http_scope(
    headers: list[tuple[bytes, bytes]],
    method: str = "GET",
    server: tuple[str, int] = ("127.0.0.1", 7860),
) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": "/",
        "headers": headers,
        "server": server,
        "query_string": b"",
        "client": ("127.0.0.1", 5),
        "scheme": "http",
    }


def status_of(
    scope: dict[str, Any], rules: Rules, app: Any = plain, chunks: list[bytes] | None = None
) -> int:
    bodies = [*(chunks or [])]
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        body = bodies.pop(0) if bodies else b""
        return {"type": "http.request", "body": body, "more_body": bool(bodies)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    asyncio.run(Guard(app, rules)(dict(scope), receive, send))
    assert len(statuses) == 1
    return statuses[0]
