"""The login: one account for the page, the API and everything mounted later.

A browser gets a small page and a session cookie, an API client uses HTTP Basic. Everything asks
for the login except what `OPEN_PATHS` names, so a route that someone adds is closed by itself.
"""

import base64
import binascii
import hashlib
import hmac
import html
import secrets
import string
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.api.attempts import Attempts, Caller

OPEN_PATHS = frozenset({"/health", "/login", "/logout", "/favicon.ico"})
SESSION_SECONDS = 30 * 24 * 3600.0
SESSIONS_MAX = 1000
FORM_MAX = 16 * 1024  # bytes of a login form
TOO_MANY = "Too many wrong passwords. Please wait {seconds} s and try again."
WRONG = "Wrong user name or password."


class Account:
    """A user name and the SHA-256 of its password; the password itself is not kept."""

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self._digest = _digest(password)

    @classmethod
    def parse(cls, text: str) -> "Account":
        """The account in "user:password"; the first colon parts them. Raises ValueError."""
        user, colon, password = text.partition(":")
        if not (user and colon and password):
            raise ValueError("A login is written as user:password.")
        return cls(user, password)

    def matches(self, user: str, password: str) -> bool:
        """Whether both are right, in a time that does not tell which one was wrong."""
        same_user = hmac.compare_digest(_digest(user), _digest(self.user))
        same_password = hmac.compare_digest(_digest(password), self._digest)
        return same_user and same_password


class Sessions:
    """The open sessions, by the hash of the id that the browser holds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: dict[bytes, float] = {}

    def open(self) -> str:
        """A fresh id; the oldest session goes when there are too many."""
        token = secrets.token_urlsafe(32)
        self._ends[_digest(token)] = self._clock() + SESSION_SECONDS
        while len(self._ends) > SESSIONS_MAX:
            self._ends.pop(next(iter(self._ends)))
        return token

    def close(self, token: str) -> None:
        """End a session at once, also for connections that are still open."""
        self._ends.pop(_digest(token), None)

    def holds(self, token: str) -> bool:
        """Whether this id belongs to an open session."""
        return self._ends.get(_digest(token), 0.0) > self._clock()


class Login:
    """The ASGI application `app` behind a login for `account`.

    `subpath` is where a reverse proxy shows the server ("" at its root); `cookie` must differ
    between servers on one host, as browsers share cookies among ports.
    """

    def __init__(
        self,
        app: ASGIApp,
        account: Account,
        subpath: str = "",
        cookie: str = "palimpsest_session",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self.account = account
        self.subpath = "/" + subpath.strip("/") if subpath.strip("/") else ""
        self.cookie = cookie
        self.sessions = Sessions(clock)
        self.attempts = Attempts(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection that is logged in, answer the login page, or refuse with 401."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        path = self._path(scope)
        if scope["type"] == "http" and path in ("/login", "/logout"):
            response = await self._desk(Request(scope, receive), path)
            await response(scope, receive, send)
            return
        free = scope["type"] == "http" and path in OPEN_PATHS
        token = HTTPConnection(scope).cookies.get(self.cookie, "")
        if token and self.sessions.holds(token):
            send = self._while_open(token, send)
        elif not free:
            refusal = self._check_basic(scope)
            if refusal is not None:
                await self._turn_away(refusal, scope, receive, send)
                return
        if not free:
            scope.setdefault("state", {})["account"] = self.account.user
        await self.app(scope, receive, send)

    def _path(self, scope: Scope) -> str:
        path: str = scope["path"]
        root = self.subpath or scope.get("root_path", "")
        return path[len(root) :] if root and path.startswith(root + "/") else path

    def _check_basic(self, scope: Scope) -> Response | None:
        """None where the Authorization header is right, else the answer to give."""
        credentials = _basic(Headers(scope=scope))
        if credentials is None:
            return self._ask(scope)
        return self._judge(scope, *credentials)

    def _judge(self, scope: Scope, user: str, password: str) -> Response | None:
        caller = Caller.of(scope)
        wait = self.attempts.wait(caller, user)
        if wait > 0:
            seconds = str(int(wait) + 1)
            body = {"error": "TooManyAttempts", "sentence": TOO_MANY.format(seconds=seconds)}
            return JSONResponse(body, 429, {"Retry-After": seconds})
        if self.account.matches(user, password):
            self.attempts.forgive(caller)
            return None
        self.attempts.count(caller, user)
        return _unauthorized(scope, "Incorrect username or password", WRONG)

    def _ask(self, scope: Scope) -> Response:
        headers = Headers(scope=scope)
        if scope["type"] == "http" and "text/html" in headers.get("accept", ""):
            wanted = scope["path"] if scope["method"] == "GET" else self.subpath + "/"
            return self._page(wanted, "", 401)
        return _unauthorized(scope, "Not authenticated", "This server asks for a login.")

    async def _turn_away(
        self, refusal: Response, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "login needed"})
            return
        await refusal(scope, receive, send)

    async def _desk(self, request: Request, path: str) -> Response:
        """The login page itself: GET shows it, POST opens a session; /logout closes one."""
        held = request.cookies.get(self.cookie, "")
        home = self.subpath + "/"
        if path == "/logout":
            if request.method != "POST":
                return JSONResponse({"error": "MethodNotAllowed"}, 405, {"Allow": "POST"})
            self.sessions.close(held)
            response = RedirectResponse(self.subpath + "/login", 303)
            response.delete_cookie(self.cookie, path=home, httponly=True, samesite="strict")
            return response
        if request.method != "POST":
            return self._page(home, "", 200)
        form = await _read_form(request)
        wanted = _local(form.get("next", ""), home)
        refusal = self._judge(request.scope, form.get("user", ""), form.get("password", ""))
        if refusal is not None:
            busy = refusal.headers.get("retry-after", "")
            page = self._page(
                wanted, TOO_MANY.format(seconds=busy) if busy else WRONG, refusal.status_code
            )
            if busy:
                page.headers["Retry-After"] = busy
            return page
        self.sessions.close(held)
        return self._welcome(request, wanted)

    def _welcome(self, request: Request, wanted: str) -> Response:
        response = RedirectResponse(wanted, 303)
        response.set_cookie(
            self.cookie,
            self.sessions.open(),
            max_age=int(SESSION_SECONDS),
            path=self.subpath + "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    def _page(self, wanted: str, sentence: str, status: int) -> Response:
        text = LOGIN_PAGE.substitute(
            action=html.escape(self.subpath + "/login"),
            wanted=html.escape(wanted),
            sentence=html.escape(sentence),
        )
        # With no-referrer a browser sends `Origin: null` for a form, which the guard refuses.
        headers = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
        return HTMLResponse(text, status, headers)

    def _while_open(self, token: str, send: Send) -> Send:
        """`send` that goes silent as soon as the session is closed, also in a running stream."""
        cut = False

        async def checked_send(message: Message) -> None:
            nonlocal cut
            if cut:
                return
            if message["type"] == "http.response.body" and not self.sessions.holds(token):
                cut = True
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            elif message["type"] == "websocket.send" and not self.sessions.holds(token):
                cut = True
                message = {"type": "websocket.close", "code": 1008}
            await send(message)

        return checked_send


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _basic(headers: Headers) -> tuple[str, str] | None:
    kind, _, encoded = headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ("", "")
    user, _, password = text.partition(":")
    return (user, password)


def _unauthorized(scope: Scope, detail: str, sentence: str) -> Response:
    """A 401 that is the same for every address, whether or not there is something behind it."""
    body = {"error": "Unauthorized", "detail": detail, "sentence": sentence}
    return JSONResponse(body, 401, {"WWW-Authenticate": _challenge(scope)})


def _challenge(scope: Scope) -> str:
    """What to answer with; a browser's fetch must not open the browser's own login window."""
    browser = Headers(scope=scope).get("user-agent", "").startswith("Mozilla/")
    return 'Session realm="Palimpsest"' if browser else 'Basic realm="Palimpsest"'


def _local(path: str, home: str) -> str:
    """`path` if it stays on this server, else the home page."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if plain and path.isprintable() and path.isascii() else home


async def _read_form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_MAX:
            return {}
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


LOGIN_PAGE = string.Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Palimpsest: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>
body { font: 16px system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh }
form { display: grid; gap: .8rem; width: min(20rem, 90vw) }
label { display: grid; gap: .2rem }
input, button { font: inherit; padding: .5rem; border-radius: .4rem; border: 1px solid #8888 }
button { background: #1c6b5e; color: #fff; border: 0; cursor: pointer }
p { color: #c0392b; min-height: 1.2em; margin: 0 }
h1 { font-size: 1.3rem; margin: 0 }
</style></head><body>
<form method="post" action="$action">
<h1>Palimpsest</h1>
<label>User <input name="user" autocomplete="username" autofocus required></label>
<label>Password <input name="password" type="password" autocomplete="current-password"
 required></label>
<input type="hidden" name="next" value="$wanted">
<p role="alert">$sentence</p>
<button>Log in</button>
</form></body></html>
""")
