"""Which hosts may be spoken to: public addresses over http(s), and those that a setting names.

A name is looked up once, every address that it has is judged, and the connection goes to the very
address that was judged: a name that answers otherwise the next moment gains nothing.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from webui.errors import InvalidRequest, Unavailable

SCHEMES = {"http": 80, "https": 443}
NAT64 = ipaddress.ip_network("64:ff9b::/96")
LONGEST = 4000
"""Characters of an address; signed ones have two thousand."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""From a host's name and a port to its addresses as text; raises OSError."""


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses that the system knows for `host`, each once. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(info[4][0]) for info in found))


@dataclass(frozen=True)
class Gate:
    """`known` are hosts that need not be public: names in lower case, alone or as "name:port"."""

    known: frozenset[str] = frozenset()
    resolve: Resolve = resolve

    def check(self, address: str) -> httpx.URL:
        """The address taken apart; raises InvalidRequest where nothing may be fetched there."""
        try:
            url = httpx.URL(address.strip())
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise _refused("That is no address that a browser could open.") from error
        sound = url.host and 0 < port_of(url) < 2**16 and len(address) <= LONGEST
        if url.scheme not in SCHEMES or not sound:
            raise _refused("Only addresses that begin with https:// or http:// are fetched.")
        if url.userinfo:
            raise _refused("An address with a name or password in it is not fetched.")
        return url

    def find(self, url: httpx.URL) -> Sequence[str]:
        """The addresses to connect to for `url`.

        Raises InvalidRequest where one of them is not public, Unavailable where there is none.
        """
        host, port = url.host, port_of(url)
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Unavailable(
                f"{host} cannot be found. Is this machine connected to the internet?", str(error)
            ) from error
        if not self._knows(host, port):
            hidden = [text for text in found if not is_public(text)]
            if hidden:
                raise _refused(
                    f"{host} is on this machine or in a private network, from where nothing is "
                    "fetched. The setting downloads.private_hosts can allow it.",
                    f"{host} is {', '.join(hidden)}",
                )
        if not found:
            raise Unavailable(f"{host} cannot be found.")
        return found

    def _knows(self, host: str, port: int) -> bool:
        name = host.casefold()
        return name in self.known or f"{name}:{port}" in self.known


def port_of(url: httpx.URL) -> int:
    """The port that `url` names or means."""
    return url.port or SCHEMES.get(url.scheme, 0)


def origin_of(url: httpx.URL) -> tuple[str, str, int]:
    """What two addresses of one server have alike."""
    return url.scheme, url.host.casefold(), port_of(url)


def is_public(text: str) -> bool:
    """Whether the address is one that the whole internet shares."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(each.is_global and not each.is_multicast for each in _inner(address))


def _inner(address: Address) -> Sequence[Address]:
    """The address with those that are packed into it."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    packed = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        packed.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    inner = [each for each in packed if each is not None]
    return inner if address.ipv4_mapped else [address, *inner]


def _refused(sentence: str, detail: str = "") -> InvalidRequest:
    return InvalidRequest("address", sentence, detail)
