"""A site of our own on this machine: a real HTTP server whose answers a test decides."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """What it answers by path, and the requests that came: path with query, and headers."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ranges(self) -> list[str]:
        """The Range headers of the requests, in order; "" for none."""
        return [headers.get("range", "") for _, headers in self.asked]


@contextmanager
def serve() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.casefold(): value for name, value in self.headers.items()}
            site.asked.append((self.path, headers))
            answer = site.answers.get(urlsplit(self.path).path, status(404))
            self.close_connection = True
            with suppress(BrokenPipeError, ConnectionResetError):
                answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def redirect(to: str, code: int = 302) -> Answer:
    return status(code, Location=to)


def as_json(told: Any) -> Answer:
    return whole(json.dumps(told).encode(), kind="application/json")


def whole(
    body: bytes,
    etag: str = '"one"',
    kind: str = "application/octet-stream",
    ranges: bool = True,
    cuts: list[int] | None = None,
    **headers: str,
) -> Answer:
    """A file; `cuts` are the numbers of bytes after which answers end too early, one for each."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start = int(asked[1]) if asked and ranges else 0
        if handler.headers.get("If-Range", etag) != etag:
            start = 0
        if start >= len(body) and start:
            return status(416, Content_Range=f"bytes */{len(body)}")(handler)
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if etag:
            handler.send_header("ETag", etag)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        stop = start + cuts.pop(0) if cuts else len(body)
        handler.wfile.write(body[start:stop])
        return None

    return answer


def endless(piece: bytes = b"x" * 65536, most: int = 2000) -> Answer:
    """A body without a length that goes on for as long as anybody listens."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/octet-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(most):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    return answer
