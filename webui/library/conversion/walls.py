"""The walls around the process that reads a pickle: no network, no programs, bounded resources.

The reader itself can call nothing; the walls stand for the day on which that is wrong. What a
system does not offer is left out: the audit hook, which every system has, remains.
"""

import contextlib
import ctypes
import sys
from types import ModuleType

GIB = 1 << 30
MEMORY = 3 * GIB
"""Address space; the reader holds one piece of a tensor at a time."""
OPEN_FILES = 64
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
"""Flags of Linux' unshare(2): a network of one's own has no way out."""

REFUSED = (
    *("open", "import", "exec", "compile", "os.", "socket.", "subprocess.", "ctypes.", "shutil."),
    *("pty.", "fcntl.", "mmap.", "winreg.", "_winapi.", "urllib.", "http.", "ftplib.", "smtplib."),
    *("imaplib.", "poplib.", "nntplib.", "telnetlib.", "webbrowser.", "sqlite3.", "syslog."),
    *("marshal.", "pickle.", "code.__new__", "function.__new__", "tempfile.", "glob.", "signal."),
    *("sys.addaudithook", "sys.setprofile", "sys.settrace", "cpython.run_", "pathlib.", "msvcrt."),
)
"""Beginnings of the events that Python announces before it does something of consequence."""

ENCODINGS = ("ascii", "latin-1", "utf-8", "raw-unicode-escape", "cp437")


class Walled(RuntimeError):
    """Something was tried that reading a model never needs."""


def leave_network() -> None:
    """Go to a network namespace without interfaces, where the system has such."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):  # some systems forbid it: then the hook
        ctypes.CDLL(None, use_errno=True).unshare(NEW_USER | NEW_NETWORK)


def bound_resources(seconds: int, most_written: int) -> None:
    """Limit memory, time and what may be written, where the system can."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:  # Windows: the parent's clock remains
        return
    _limit(resource, "RLIMIT_AS", MEMORY)
    _limit(resource, "RLIMIT_CPU", seconds)
    _limit(resource, "RLIMIT_FSIZE", most_written)
    _limit(resource, "RLIMIT_NOFILE", OPEN_FILES)
    _limit(resource, "RLIMIT_CORE", 0)


def _limit(resource: ModuleType, name: str, most: int) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        resource.setrlimit(getattr(resource, name), (most, most))


def close_the_door() -> None:
    """From here on no file is opened, no module loaded, no program or connection begun.

    An audit hook cannot be taken off again.
    """
    for encoding in ENCODINGS:  # they load themselves at first use
        "".encode(encoding)
    sys.addaudithook(_refuse)


def _refuse(event: str, _: object) -> None:
    if event.startswith(REFUSED):
        raise Walled(event)
