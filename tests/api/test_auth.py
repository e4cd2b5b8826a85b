import base64
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.api.conftest import BASE
from tests.api.test_guard import SOCKET, addresses
from webui.api.application import protect
from webui.api.attempts import FREE_FOR_ACCOUNT, FREE_FROM_ADDRESS, Attempts, Caller
from webui.api.auth import OPEN_PATHS, SESSION_SECONDS, Account, Login, Sessions
from webui.app.house import House
from webui.contract.fields import nest

LOGIN = "anna:p:w"
RIGHT = {"user": "anna", "password": "p:w"}
HTML = {"Accept": "text/html"}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guarded(house: House, whole: FastAPI) -> TestClient:
    settings = nest(house.settings.get(), {"server.auth": LOGIN})
    return TestClient(protect(whole, settings), BASE)


def remote(app: FastAPI, clock: Clock, address: str = "192.0.2.9") -> TestClient:
    login = Login(app, Account.parse(LOGIN), clock=clock)
    return TestClient(login, BASE, client=(address, 5), follow_redirects=False)


def basic(user: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def test_every_route_asks_for_the_login(whole: FastAPI, guarded: TestClient) -> None:
    told = set[bytes]()
    for method, path in addresses(list(whole.routes)):
        if path in OPEN_PATHS:
            continue
        answer = guarded.request(method, path)
        assert answer.status_code == 401, (method, path)
        if method != "HEAD":
            told.add(answer.content)
    assert len(told) == 1


@pytest.mark.parametrize(
    "path",
    ["//health", "/health/", "/Health", "/health;x", "/%2fhealth", "/login/../x", "/health%00"],
)
def test_spelling_an_open_address_otherwise_opens_nothing(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 401


def test_what_needs_no_login_says_nothing(guarded: TestClient) -> None:
    assert guarded.get("/health").json() == {"status": "ok"}
    assert guarded.get("/login").status_code == 200


def test_the_api_takes_basic_credentials(guarded: TestClient) -> None:
    assert guarded.get("/api/v1/jobs", headers=basic("anna", "p:w")).status_code == 200
    for user, password in (("anna", "wrong"), ("otto", "p:w"), ("", "")):
        answer = guarded.get("/api/v1/jobs", headers=basic(user, password))
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert guarded.get("/api/v1/jobs", headers={"Authorization": "Basic %%"}).status_code == 401


def test_a_browser_gets_the_page_and_comes_in_by_the_form(guarded: TestClient) -> None:
    asked = guarded.get("/docs", headers=HTML)
    assert asked.status_code == 401
    assert "<form" in asked.text and 'value="/docs"' in asked.text
    assert asked.headers["referrer-policy"] == "same-origin"
    answer = guarded.post("/login", data={**RIGHT, "next": "/docs"}, headers={"Origin": BASE})
    assert answer.status_code == 200
    assert "/api/v1/jobs" in answer.text
    assert guarded.get("/api/v1/jobs").status_code == 200


def test_the_cookie_is_for_this_server_alone(api: FastAPI, clock: Clock) -> None:
    cookie = remote(api, clock).post("/login", data=RIGHT).headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert "domain" not in cookie
    secure = Login(api, Account.parse(LOGIN), subpath="/sd", clock=clock)
    client = TestClient(secure, "https://127.0.0.1", follow_redirects=False)
    answer = client.post("/sd/login", data=RIGHT)
    assert answer.headers["location"] == "/sd/"
    cookie = answer.headers["set-cookie"].lower()
    assert "secure" in cookie and "path=/sd/" in cookie


def test_a_login_makes_a_new_id_and_a_logout_ends_it(api: FastAPI, clock: Clock) -> None:
    client = remote(api, clock)
    client.cookies.set("palimpsest_session", "planted")
    client.post("/login", data=RIGHT)
    first = client.cookies.get("palimpsest_session", domain="127.0.0.1")
    assert first not in (None, "planted")
    assert client.get("/api/v1/jobs").status_code == 200
    assert client.get("/logout").status_code == 405
    assert client.post("/logout").status_code == 303
    client.cookies.clear()
    again = client.get("/api/v1/jobs", headers={"Cookie": f"palimpsest_session={first}"})
    assert again.status_code == 401


@pytest.mark.parametrize(
    "target", ["https://evil.test/", "//evil.test", "/\\evil.test", "x\r\ny", ""]
)
def test_the_way_after_the_login_stays_on_this_server(
    api: FastAPI, clock: Clock, target: str
) -> None:
    answer = remote(api, clock).post("/login", data={**RIGHT, "next": target})
    assert answer.headers["location"] == "/"


def test_wrong_passwords_make_an_address_wait(api: FastAPI, clock: Clock) -> None:
    client = remote(api, clock)
    for _ in range(FREE_FROM_ADDRESS):
        assert client.post("/login", data={**RIGHT, "password": "x"}).status_code == 401
    locked = client.post("/login", data=RIGHT)
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) >= 1
    assert client.get("/api/v1/jobs", headers=basic("anna", "p:w")).status_code == 429
    clock.now += 2
    assert client.post("/login", data=RIGHT).status_code == 303


def test_many_addresses_lock_the_account_but_not_who_is_known_nor_this_machine(
    clock: Clock,
) -> None:
    attempts = Attempts(clock)
    known = Caller("192.0.2.1", False)
    attempts.forgive(known)
    for n in range(FREE_FOR_ACCOUNT + 20):
        attempts.count(Caller(f"198.51.100.{n}", False), "anna")
    assert attempts.wait(Caller("203.0.113.5", False), "anna") > 0
    assert attempts.wait(Caller("203.0.113.5", False), "otto") == 0
    assert attempts.wait(known, "anna") == 0
    assert attempts.wait(Caller("127.0.0.1", True), "anna") == 0


def test_a_thousand_wrong_passwords_leave_this_machine_its_login(
    api: FastAPI, clock: Clock
) -> None:
    outside, inside = remote(api, clock), remote(api, clock, "127.0.0.1")
    inside.app = outside.app
    codes = [
        outside.post("/login", data={**RIGHT, "password": str(n)}).status_code for n in range(200)
    ]
    assert codes.count(401) == FREE_FROM_ADDRESS and codes.count(429) == 195
    assert inside.post("/login", data=RIGHT).status_code == 303


def test_a_proxied_caller_is_not_this_machine() -> None:
    scope: dict[str, Any] = {"client": ("127.0.0.1", 5), "headers": []}
    assert Caller.of({"type": "http", **scope}).local
    scope["headers"] = [(b"x-forwarded-for", b"127.0.0.1")]
    assert not Caller.of({"type": "http", **scope}).local


def test_addresses_of_one_ipv6_network_count_together() -> None:
    callers = {
        Caller.of({"type": "http", "headers": [], "client": (a, 5)})
        for a in ("2001:db8::1", "2001:db8::2")
    }
    assert len(callers) == 1
    mapped = Caller.of({"type": "http", "headers": [], "client": ("::ffff:127.0.0.1", 5)})
    assert mapped == Caller("127.0.0.1", True)


def test_the_tables_of_attempts_and_sessions_do_not_grow_for_ever(clock: Clock) -> None:
    attempts, sessions = Attempts(clock), Sessions(clock)
    for n in range(11_000):
        attempts.count(Caller(f"a{n}", False), "anna")
    assert len(vars(attempts)["_tallies"]) <= 10_000
    tokens = [sessions.open() for _ in range(1001)]
    assert not sessions.holds(tokens[0]) and sessions.holds(tokens[-1])
    clock.now += SESSION_SECONDS + 1
    assert not sessions.holds(tokens[-1])


def test_a_websocket_without_a_login_is_refused(guarded: TestClient) -> None:
    with pytest.raises(Exception) as refusal, guarded.websocket_connect(SOCKET):
        pass
    assert getattr(refusal.value, "code", 1008) == 1008
    with guarded.websocket_connect(SOCKET, headers=basic("anna", "p:w")):
        pass


def test_a_logout_ends_a_stream_that_is_open(clock: Clock) -> None:
    held: list[Login] = []

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"before ", "more_body": True})
        held[0].sessions.close(token)
        await send({"type": "http.response.body", "body": b"secret", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    login = Login(stream, Account.parse(LOGIN), clock=clock)
    held.append(login)
    token = login.sessions.open()
    client = TestClient(login, BASE)
    answer = client.get("/x", headers={"Cookie": f"palimpsest_session={token}"})
    assert answer.text == "before "


def test_jobs_belong_to_the_account(house: House, api: FastAPI) -> None:
    settings = nest(house.settings.get(), {"server.auth": LOGIN})
    body = {"canvas": {"width": 64, "height": 64}, "sampling": {"steps": 1}}
    with TestClient(protect(api, settings), BASE) as client:
        answer = client.post("/api/v1/jobs", json=body, headers=basic("anna", "p:w"))
    assert answer.json()["owner"] == "anna"


def test_a_login_is_a_name_and_a_password() -> None:
    for text in ("", "anna", "anna:", ":x"):
        with pytest.raises(ValueError, match="user:password"):
            Account.parse(text)
    assert "p:w" not in repr(vars(Account.parse(LOGIN)))
