"""Speaks to the sites: every hop is judged by the gate, tokens stay with the site they are for."""

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin

import httpx
import orjson

from webui.errors import InvalidRequest, Unavailable
from webui.library.download.gate import Gate, Resolve, origin_of, resolve
from webui.library.download.tokens import find_token

HUB, CIVITAI = "https://huggingface.co", "https://civitai.com"
MOST_HOPS = 8
TIMES = httpx.Timeout(30.0, connect=15.0)
LARGEST_ANSWER = 16_000_000
"""Bytes of JSON that a site may answer with; repositories with thousands of files have two."""
AGENT = "Palimpsest"
REDIRECTS = (301, 302, 303, 307, 308)
ACCOUNTS = {
    "hub": "Set HF_TOKEN to a token of your Hugging Face account that may read it, and accept the "
    "model's terms on its page where it has some.",
    "civitai": "Set CIVITAI_TOKEN to an API key of your Civitai account.",
    "": "It may need a login there.",
}


@dataclass(frozen=True)
class Sites:
    """Where the two sites are, which hosts need not be public, and where tokens are kept."""

    hub: str = HUB
    civitai: str = CIVITAI
    private_hosts: tuple[str, ...] = ()
    data_dir: Path = field(default=Path(".data"))

    def gate(self, look: Resolve = resolve) -> Gate:
        """The gate that these settings mean."""
        return Gate(frozenset(host.strip().casefold() for host in self.private_hosts), look)


class PinnedTransport(httpx.BaseTransport):
    """Connects to the very addresses that the gate judged, whatever the name means by then."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        # A kept connection would be found by its address, not by the name it was checked for.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.HTTPTransport(trust_env=False, limits=limits)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; raises what the gate raises, and httpx' errors."""
        url, fault = request.url, httpx.ConnectError("no address")
        for address in self._gate.find(url):
            request.url = url.copy_with(host=address)
            request.extensions = {**request.extensions, "sni_hostname": url.host}
            try:
                return self._inner.handle_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                fault = error
        raise fault

    def close(self) -> None:
        """Close every connection."""
        self._inner.close()


class Client:
    """A short conversation; close it, or use it as a context. Proxy variables are not heeded."""

    def __init__(self, sites: Sites, look: Resolve = resolve) -> None:
        self.sites = sites
        self.gate = sites.gate(look)
        # They would write addresses, which may hold secrets, into the log; so would httpx.Client.
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        self._line = PinnedTransport(self.gate)
        self._accounts = {
            origin_of(httpx.URL(base)): name
            for name, base in (("hub", sites.hub), ("civitai", sites.civitai))
        }

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    @contextmanager
    def open(
        self, address: str, headers: Mapping[str, str] | None = None
    ) -> Generator[httpx.Response, None, None]:
        """GET `address` through its redirects; the body is not read yet.

        Raises InvalidRequest where a hop is not allowed, Unavailable where nobody answers.
        """
        url = self.gate.check(address)
        response: httpx.Response | None = None
        try:
            for _ in range(MOST_HOPS):
                response = self._send(url, headers or {})
                if response.status_code not in REDIRECTS:
                    yield response
                    return
                response.close()
                url = self._next(url, response)
            raise Unavailable(f"{url.host} sends from one address to the next without an end.")
        finally:
            if response is not None:
                response.close()

    def ask(self, address: str) -> dict[str, Any]:
        """The JSON object at `address`. Raises Unavailable, InvalidRequest."""
        with self.open(address, {"Accept": "application/json"}) as response:
            self.heed_status(response)
            text = read_bounded(response, LARGEST_ANSWER)
        try:
            told = orjson.loads(text)
        except ValueError as error:
            raise Unavailable(f"{host_of(response)} answers with something else than data.") from (
                error
            )
        if not isinstance(told, dict):
            raise Unavailable(f"{host_of(response)} answers with something else than data.")
        return cast("dict[str, Any]", told)

    def heed_status(self, response: httpx.Response) -> None:
        """Raise InvalidRequest or Unavailable for an answer that is no success."""
        code, host = response.status_code, host_of(response)
        if code < 400:
            return
        if code in (401, 403):
            advice = ACCOUNTS[self._account(response.request)]
            raise Unavailable(
                f"{host} does not give that to everybody, or has no such thing. {advice}"
            )
        if code in (404, 410):
            raise InvalidRequest("address", f"{host} has nothing at that address.")
        if code == 429:
            raise Unavailable(f"{host} asks for patience: too many requests. Try again later.")
        raise Unavailable(f"{host} answers with error {code}.")

    def _send(self, url: httpx.URL, headers: Mapping[str, str]) -> httpx.Response:
        given = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers}
        account = self._accounts.get(origin_of(url))
        token = find_token(account, self.sites.data_dir) if account else ""
        if token:
            given["Authorization"] = f"Bearer {token}"
        told = {"asked": url, "timeout": TIMES.as_dict()}
        request = httpx.Request("GET", url, headers=given, extensions=told)
        try:
            response = self._line.handle_request(request)
        except httpx.HTTPError as error:
            raise unreachable(url.host, error) from None
        response.request = request
        return response

    def _next(self, url: httpx.URL, response: httpx.Response) -> httpx.URL:
        """Where a redirect leads; never from https to http."""
        target = self.gate.check(urljoin(str(url), response.headers.get("location", "")))
        if url.scheme == "https" and target.scheme != "https":
            raise InvalidRequest("address", f"{url.host} leads to an address without encryption.")
        return target

    def _account(self, request: httpx.Request) -> str:
        return self._accounts.get(origin_of(request.extensions["asked"]), "")


OpenClient = Callable[[], Client]


def host_of(response: httpx.Response) -> str:
    """The host that answered, by its name; an address in full may hold a secret."""
    return cast("httpx.URL", response.request.extensions["asked"]).host


def unreachable(host: str, error: Exception) -> Unavailable:
    """The sentence for a line that is dead or was cut; addresses are left out of the detail."""
    return Unavailable(
        f"{host} cannot be reached, or the line was cut. Is this machine connected to the "
        "internet?",
        type(error).__name__,
    )


def read_bounded(response: httpx.Response, most: int) -> bytes:
    """The whole body; raises Unavailable where it is longer than `most` bytes, or cut."""
    body = bytearray()
    try:
        for piece in response.iter_raw():
            body += piece
            if len(body) > most:
                raise Unavailable(f"{host_of(response)} answers with too much.")
    except httpx.HTTPError as error:
        raise unreachable(host_of(response), error) from None
    return bytes(body)
