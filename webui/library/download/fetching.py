"""Brings one file over, however often the line is cut: what is there already is not asked again.

What has arrived lies in a `.part` file; beside it a small state says of which version it is. It
goes on by a Range that holds for that version alone; where the server has another one, or does not
know ranges, it begins again.
"""

import errno
import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import httpx

from webui.errors import StorageError, Unavailable, UnsupportedModel, WebuiError
from webui.library.download.client import Client, host_of, unreachable
from webui.library.download.orders import Wanted
from webui.library.tensorfile import sync_file

TRIES = 5
"""In a row without a single byte; a line that is cut now and then may be cut for ever."""
PAUSE = 1.0
"""Seconds before the second try; each further one waits twice as long."""
ROOM = 100_000_000
"""Bytes that stay free on the drive."""
LARGEST = 400_000_000_000
ROUNDED = 1.02
"""A published size may be rounded; more than this much off is another file."""
SLACK = 2048
PAGES = ("text/html", "application/xhtml+xml")
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
RETRIED = (408, 425, 429, 500, 502, 503, 504)

Progress = Callable[[int], None]
"""Called with the bytes of the file that are there now, all told."""


class Cut(Exception):
    """The line was cut; what has arrived is kept."""

    def __init__(self, error: WebuiError) -> None:
        super().__init__(error.sentence)
        self.error = error


def fetch_file(
    client: Client,
    wanted: Wanted,
    part: Path,
    progress: Progress = lambda done: None,
    pause: float = PAUSE,
) -> None:
    """Bring `wanted` to `part`, going on with what is there, and check it.

    Raises UnsupportedModel for what is not the file that was published, StorageError where the
    drive is full, Unavailable where nobody answers (the part is kept), and what `Client` raises.
    """
    failures = 0
    while not _is_whole(wanted, part):
        before = size_of(part)
        try:
            _fetch_some(client, wanted, part, progress)
        except Cut as cut:
            failures = 0 if size_of(part) > before else failures + 1
            if failures >= TRIES:
                raise cut.error from None
            time.sleep(pause * 2**failures)
    check_hash(wanted, part)


def check_hash(wanted: Wanted, part: Path) -> None:
    """Compare the whole file with what is published; a wrong one is removed."""
    if not wanted.sha256:
        return
    found = hash_of(part)
    if found != wanted.sha256:
        forget_part(part)
        raise UnsupportedModel(
            f"{wanted.name} is not the file that was published: its SHA-256 is another one. "
            "It was removed; try again, or ask its publisher.",
            f"{found} instead of {wanted.sha256}",
        )


def hash_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def size_of(part: Path) -> int:
    """The bytes that have arrived."""
    try:
        return part.stat().st_size
    except OSError:
        return 0


def forget_part(part: Path) -> None:
    """Remove a part with its state."""
    for path in (part, _state_path(part)):
        path.unlink(missing_ok=True)


def _fetch_some(client: Client, wanted: Wanted, part: Path, progress: Progress) -> None:
    """One request: as much as it brings. Raises Cut where it brings less than it promised."""
    have, state = size_of(part), _read_state(part)
    mark = str(state.get("etag", ""))
    if have and not mark and not wanted.sha256:
        have = 0  # nothing tells whether the rest would belong to it
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and mark:
        headers["If-Range"] = mark
    with _opened(client, wanted, headers, have) as response:
        if response.status_code == 416:
            _settle_416(response, part, have)
            return
        if response.status_code in RETRIED:
            _wait_as_told(response)
            raise Cut(_heeded(client, response))
        client.heed_status(response)
        _check_type(wanted, response)
        goes_on = _goes_on(response, have, mark, part)
        start = have if goes_on else 0
        total = _total(wanted, response, start)
        _check_room(part, wanted, (total or wanted.size) - start)
        if not goes_on:
            forget_part(part)
        _write_state(part, _strong_etag(response) or (mark if goes_on else ""), total)
        _receive(response, wanted, part, start, total, progress)


@contextmanager
def _opened(
    client: Client, wanted: Wanted, headers: Mapping[str, str], have: int
) -> Generator[httpx.Response, None, None]:
    """The answer; a line that is dead in the middle of a file may come to life again."""
    with ExitStack() as stack:
        try:
            response = stack.enter_context(client.open(wanted.url, headers))
        except Unavailable as error:
            if have:
                raise Cut(error) from None
            raise
        yield response


def _receive(
    response: httpx.Response, wanted: Wanted, part: Path, start: int, total: int, progress: Progress
) -> None:
    done, most = start, total or _most(wanted)
    try:
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            for piece in response.iter_raw():  # a size of ours would lose what a cut leaves
                if done + len(piece) > most:
                    forget_part(part)
                    raise UnsupportedModel(f"{wanted.name} never ends: more came than was told.")
                done += _keep(stream, piece, part, wanted, total)
                progress(done)
            sync_file(stream)
    except httpx.HTTPError as error:
        raise Cut(unreachable(host_of(response), error)) from None
    except OSError as error:
        raise _full(wanted, error, total - done) from error
    if done < (total or wanted.size / ROUNDED - SLACK):
        raise Cut(unreachable(host_of(response), ConnectionError()))
    if not done:
        raise UnsupportedModel(f"{wanted.name} is empty at {host_of(response)}.")
    if not total:
        _write_state(part, "", done)


def _keep(stream: BinaryIO, piece: bytes, part: Path, wanted: Wanted, total: int) -> int:
    """Write a piece; where nobody told the size, the drive is looked at each time."""
    if not total:
        _check_room(part, wanted, len(piece))
    return stream.write(piece)


def _goes_on(response: httpx.Response, have: int, mark: str, part: Path) -> bool:
    """Whether the answer is the rest of what is here. Raises Cut for another piece."""
    if response.status_code != 206:
        return False
    told = RANGE.fullmatch(response.headers.get("content-range", ""))
    etag = _strong_etag(response)
    if not have or told is None or int(told[1]) != have or (mark and etag and etag != mark):
        forget_part(part)
        sentence = f"{host_of(response)} sends another piece than it was asked for."
        raise Cut(UnsupportedModel(sentence))
    return True


def _settle_416(response: httpx.Response, part: Path, have: int) -> None:
    """There is nothing behind what is here: it is the whole file, or part of another one."""
    if have and response.headers.get("content-range", "") == f"bytes */{have}":
        _write_state(part, "", have)
    else:
        forget_part(part)
        raise Cut(UnsupportedModel(f"{host_of(response)} does not have the rest of the file."))


def _most(wanted: Wanted) -> int:
    """As many bytes as may come."""
    return int(wanted.size * ROUNDED) + SLACK if wanted.size else LARGEST


def _total(wanted: Wanted, response: httpx.Response, start: int) -> int:
    """The file's whole size, 0 where nobody tells. Raises UnsupportedModel for a wrong one."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedModel(f"{host_of(response)} sends {wanted.name} packed.")
    length = response.headers.get("content-length", "")
    total = start + int(length) if length.isdigit() else 0
    if total and not wanted.size / ROUNDED - SLACK <= total <= _most(wanted):
        raise UnsupportedModel(
            f"{wanted.name} has {total} bytes at {host_of(response)}, where "
            f"{wanted.size or LARGEST} were expected."
        )
    return total


def _check_type(wanted: Wanted, response: httpx.Response) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind in PAGES:
        raise UnsupportedModel(
            f"{host_of(response)} sends a web page instead of {wanted.name}: it may want a login "
            "or the address may be that of the page about the file."
        )


def _check_room(part: Path, wanted: Wanted, size: int) -> None:
    free = free_space(part.parent)
    if size + ROOM > free:
        raise _too_full(wanted.name, size + ROOM - free)


def free_space(folder: Path) -> int:
    """The bytes that the drive of `folder`, or of the nearest folder above it, still takes."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _too_full(name: str, lacking: int) -> StorageError:
    return StorageError(
        f"The drive is full: {max(1, lacking // 1_000_000)} MB more are needed for {name}. What "
        "has arrived is kept; go on when there is room."
    )


def _full(wanted: Wanted, error: OSError, left: int) -> StorageError:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return _too_full(wanted.name, left)
    return StorageError(f"{wanted.name} could not be written.", str(error))


def _heeded(client: Client, response: httpx.Response) -> WebuiError:
    try:
        client.heed_status(response)
    except WebuiError as error:
        return error
    return unreachable(host_of(response), ConnectionError())


def _wait_as_told(response: httpx.Response) -> None:
    told = response.headers.get("retry-after", "")
    if told.isdigit():
        time.sleep(min(int(told), 60))


def _strong_etag(response: httpx.Response) -> str:
    """The mark of exactly these bytes; a weak one (W/) does not vouch for them."""
    etag = response.headers.get("etag", "")
    return etag if etag.startswith('"') and len(etag) < 300 else ""


def _is_whole(wanted: Wanted, part: Path) -> bool:
    """Whether everything has arrived; a part may have grown beyond what the last answer told."""
    total = _read_state(part).get("total", 0)
    return bool(total) and size_of(part) == total


def _state_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_state(part: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(_state_path(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}


def _write_state(part: Path, etag: str, total: int) -> None:
    fresh = _state_path(part).with_suffix(".tmp")
    fresh.write_text(json.dumps({"etag": etag, "total": total}), encoding="utf-8")
    fresh.replace(_state_path(part))
