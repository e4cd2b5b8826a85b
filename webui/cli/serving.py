"""`webui serve`: the page and the API."""

import argparse
import errno
import os
import socket
import sys
from typing import Any

from webui.errors import Unavailable, WebuiError
from webui.settings import Settings, add_flags, collect_flags, open_settings, with_login


def add_command(commands: Any) -> None:
    """Add `serve`."""
    parser = commands.add_parser("serve", help="serve the page and the API", allow_abbrev=False)
    add_flags(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Serve until interrupted."""
    settings, made = with_login(open_settings(collect_flags(parsed), os.environ))
    check_port(settings)
    if made:
        name, _, password = made.partition(":")
        sys.stdout.write(
            "Other machines can reach this server, so it asks for a login. For this run:\n"
            f"    name {name}   password {password}\n"
            "(--auth name:password sets your own.)\n"
        )
        sys.stdout.flush()
    # Everything heavy comes after what can be said at once.
    from webui.app import serve  # noqa: PLC0415

    serve(settings, open_browser=settings.server.open_browser)
    return 0


def check_port(settings: Settings) -> None:
    """Raise a sentence where the address cannot be bound, before anything heavy is imported."""
    host, port = settings.server.bind_host, settings.server.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise Unavailable(f"{host!r} is no address of this machine ({error}).") from error
    with socket.socket(family, kind, protocol) as probe:
        if os.name != "nt":  # there it would allow a second server on the same port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise _refusal(host, port, error) from error


def _refusal(host: str, port: int, error: OSError) -> WebuiError:
    if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", -1)):
        shown = "127.0.0.1" if host == "0.0.0.0" else host
        other = port + 1 if port < 65535 else port - 1
        return Unavailable(
            f"Port {port} is already in use. If Palimpsest runs there, open "
            f"http://{shown}:{port}; else choose another port, as --port {other}."
        )
    if error.errno == errno.EACCES:
        return Unavailable(f"This user may not use port {port}; choose one above 1023 (--port).")
    return Unavailable(f"The server cannot listen on {host}, port {port}: {error.strerror}.")
