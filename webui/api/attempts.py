"""Wrong passwords: how long whom to keep waiting, so that guessing takes for ever."""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

FREE_FROM_ADDRESS = 5
FREE_FOR_ACCOUNT = 50
LONGEST_WAIT = 300.0  # seconds
FORGET_AFTER = 3600.0  # seconds without a wrong attempt
TABLE_MAX = 10_000
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


@dataclass(frozen=True)
class Caller:
    """Where a connection comes from: an address (for IPv6 its /64), and whether it is this machine.

    A request that a proxy forwarded is not this machine's own, although the proxy may be.
    """

    address: str
    local: bool

    @classmethod
    def of(cls, scope: Scope) -> "Caller":
        """The caller of a connection; forwarding headers can only make it less trusted."""
        text = str((scope.get("client") or ("",))[0])
        forwarded = any(name in Headers(scope=scope) for name in FORWARDED)
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return cls(text, False)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        local = address.is_loopback and not forwarded
        if address.version == 6 and not address.is_loopback:
            return cls(str(ipaddress.ip_network(f"{address}/64", strict=False)), False)
        return cls(str(address), local)


@dataclass
class Tally:
    """Wrong attempts so far, and when the last one was."""

    count: int = 0
    last: float = 0.0


class Attempts:
    """Counts wrong logins by address and by account; this machine itself is never locked out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tallies: dict[str, Tally] = {}
        self._known: dict[str, None] = {}

    def wait(self, caller: Caller, user: str) -> float:
        """Seconds that this caller must still wait before the next attempt is looked at."""
        if caller.local:
            return 0.0
        wait = self._left(f"from {caller.address}", FREE_FROM_ADDRESS)
        if caller.address not in self._known:
            # Who has logged in from here before is not locked out by others' guessing.
            wait = max(wait, self._left(_account_key(user), FREE_FOR_ACCOUNT))
        return wait

    def count(self, caller: Caller, user: str) -> None:
        """Remember a wrong attempt."""
        if caller.local:
            return
        for key in (f"from {caller.address}", _account_key(user)):
            tally = self._tallies.pop(key, None) or Tally()
            if self._clock() - tally.last > FORGET_AFTER:
                tally.count = 0
            tally.count += 1
            tally.last = self._clock()
            self._tallies[key] = tally
        while len(self._tallies) > TABLE_MAX:
            self._tallies.pop(next(iter(self._tallies)))

    def forgive(self, caller: Caller) -> None:
        """Remember a right login: this address starts afresh and is known from now on."""
        self._tallies.pop(f"from {caller.address}", None)
        self._known.pop(caller.address, None)
        self._known[caller.address] = None
        while len(self._known) > TABLE_MAX:
            self._known.pop(next(iter(self._known)))

    def _left(self, key: str, free: int) -> float:
        tally = self._tallies.get(key)
        if tally is None or tally.count < free:
            return 0.0
        delay = min(LONGEST_WAIT, 2.0 ** min(tally.count - free, 20))
        return max(0.0, tally.last + delay - self._clock())


def _account_key(user: str) -> str:
    return f"account {user[:200]}"
