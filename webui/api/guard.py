"""The guard: an ASGI layer around every route that refuses strangers before anything runs.

It stands outside our FastAPI and outside the Gradio app mounted into it, for http and websocket.
What it refuses: a Host that is not ours (DNS rebinding), a foreign or null Origin, a cross-site
request that is not a plain visit, and a body above the limit. Forwarding headers are not believed.
"""

import ipaddress
import logging
import re
import socket
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})
HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio compiles templates and starts workers from blobs; none of it comes from outside.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
}


@dataclass(frozen=True)
class Rules:
    """Whom the guard lets in.

    `hosts` are names without port, in lower case; one that starts with a dot stands for every
    name below it. With `listening`, the address on which a connection arrived is ours as well.
    `origins` are full origins that may call across sites ("https://example.org", or "*").
    """

    hosts: frozenset[str] = LOOPBACK_NAMES
    origins: frozenset[str] = frozenset()
    listening: bool = False
    max_body: int = 256 * 2**20  # bytes


def make_rules(
    host: str = "127.0.0.1",
    listen: bool = False,
    allowed_hosts: Collection[str] = (),
    cors_origins: Collection[str] = (),
    max_upload_mb: float = 256,
) -> Rules:
    """The rules that follow from the server's settings."""
    names = set(LOOPBACK_NAMES) | {_plain(name) for name in allowed_hosts}
    listening = listen or host in EVERY_ADDRESS
    if host not in EVERY_ADDRESS:
        names.add(_plain(host))
    if listening:
        own = socket.gethostname().lower()
        names |= {own, f"{own}.local"} if own else set()
    origins = frozenset(origin.rstrip("/").lower() for origin in cors_origins)
    return Rules(frozenset(names), origins, listening, int(max_upload_mb * 2**20))


class Guard:
    """The ASGI application `app` with `rules` in front of it."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self.app = app
        self.rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it with 403 or 413 and a plain sentence."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sentence = objection(scope, headers, self.rules)
        if sentence:
            logger.warning(
                "refused %s %s: %s",
                scope.get("method", "websocket"),
                ascii(scope["path"])[:200],
                sentence,
            )
            await _refuse(scope, receive, send, 403, sentence)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        await Metered(self.app, self.rules.max_body, bool(self.rules.origins))(scope, receive, send)


class Metered:
    """An ASGI application that reads at most `limit` bytes of each body, with safe headers out."""

    def __init__(self, app: ASGIApp, limit: int, shared: bool = False) -> None:
        self.app = app
        self.limit = limit
        self.shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; above the limit the answer is 413, whatever the application says."""
        sentence = f"The request is larger than the limit of {self.limit / 2**20:g} MB."
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or len(length) > 18 or int(length) > self.limit:
            await _refuse(scope, receive, send, 413, sentence)
            return
        exchange = Exchange(self.limit, self.shared, receive, send)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            if not exchange.over:
                raise
        if exchange.over and not exchange.started:
            await _refuse(scope, receive, send, 413, sentence)


class Exchange:
    """One request and its answer: counts what comes in, dresses what goes out."""

    def __init__(self, limit: int, shared: bool, receive: Receive, send: Send) -> None:
        self.limit = limit
        self.shared = shared
        self.seen = 0
        self.over = False
        self.started = False
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        """The next message; a client that sends too much has gone, as far as anyone can see."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.seen += len(message.get("body", b""))
            if self.seen > self.limit:
                self.over = True
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """Pass a message on, unless the guard itself is going to answer."""
        if self.over and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started = True
            add_headers(message, self.shared)
        await self._send(message)


def objection(scope: Scope, headers: Headers, rules: Rules) -> str:
    """Why a connection is refused, as a sentence; empty where it is welcome."""
    hosts = headers.getlist("host")
    match = HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if match is None:
        return "The Host header of this request is missing or malformed."
    if not knows(rules, match["name"], scope):
        return (
            "This server does not answer to that host name. "
            "If it should, add the name to the setting server.allowed_hosts."
        )
    origins = headers.getlist("origin")
    friend = len(origins) == 1 and is_friend(rules, origins[0])
    if origins and not friend and (len(origins) > 1 or not is_same(origins[0], match)):
        return "This server does not accept requests that come from another site's page."
    if not friend and not _is_own_or_visit(scope, headers):
        return "This server does not accept requests that come from another site's page."
    return ""


def knows(rules: Rules, name: str, scope: Scope) -> bool:
    """Whether `name`, from a Host header, is one of ours."""
    plain = _plain(name)
    if plain in rules.hosts or any(h[0] == "." and plain.endswith(h) for h in rules.hosts if h):
        return True
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return False
    arrived = (scope.get("server") or ("",))[0]
    return address.is_loopback or (rules.listening and str(address) == _plain(str(arrived)))


def is_friend(rules: Rules, origin: str) -> bool:
    """Whether the settings let this origin call across sites; `null` never is."""
    return origin != "null" and ("*" in rules.origins or origin.lower() in rules.origins)


def is_same(origin: str, host: re.Match[str]) -> bool:
    """Whether an Origin header names the host that a request was sent to."""
    try:
        parts = urlsplit(origin)
        port = str(parts.port or "")
    except ValueError:
        return False
    default = DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.hostname:
        return False
    wanted = (_plain(host["name"]), host["port"] or default)
    return (_plain(parts.hostname), port or default) == wanted


def add_headers(message: Message, shared: bool = False) -> None:
    """Give a response the security headers that it does not already set itself.

    `shared` (some foreign origin is configured) lets other origins read what CORS allows them.
    """
    message.setdefault("headers", [])
    headers = MutableHeaders(scope=message)
    for name, value in SECURITY_HEADERS.items():
        if shared and name == "Cross-Origin-Resource-Policy":
            continue
        headers.setdefault(name, value)


def _is_own_or_visit(scope: Scope, headers: Headers) -> bool:
    """A link from elsewhere may open a page; nothing else may come from another site."""
    site = headers.get("sec-fetch-site", "")
    if scope["type"] != "http" or scope["method"] not in SAFE_METHODS:
        return site not in ("cross-site", "same-site")
    return site != "cross-site" or headers.get("sec-fetch-mode", "") == "navigate"


def _plain(name: str) -> str:
    """A host name or address in the one form in which they are compared."""
    bare = name.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": sentence[:120]})
        return

    async def guarded_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            add_headers(message)
        await send(message)

    # The unread body is not worth reading: the connection ends here.
    response = PlainTextResponse(sentence + "\n", status, {"Connection": "close"})
    await response(scope, receive, guarded_send)
