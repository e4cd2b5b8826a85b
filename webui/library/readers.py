"""Headers read by several processes at once, where there are enough of them for that to pay.

`python -m webui.library.readers` reads paths, separated by zero bytes, from its standard input and
writes what it found to its standard output.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import webui
from webui.errors import StorageError
from webui.library.findings import Findings, find, read_entry, stamp_of, write_entry

log = logging.getLogger(__name__)

PAYS_FROM = 800
"""Files for each further process: below that, its start costs more than it saves."""
MOST = 8
END = b"\0"


def read_findings(paths: Sequence[Path], processes: int | None = None) -> Findings:
    """What the files at `paths` are, those left out that cannot be read now.

    `processes` is how many work at it, this one among them; None: as many as pay.
    """
    count = processes or _worthwhile(len(paths))
    shares = [paths[first::count] for first in range(count)]
    others = [(share, _start(share)) for share in shares[1:]]
    found = look_at(shares[0])
    for share, process in others:
        found |= _collect(share, process)
    return found


def look_at(paths: Sequence[Path]) -> Findings:
    """The same in this process alone."""
    found: Findings = {}
    for path in paths:
        try:
            stamp = stamp_of(path)
            found[str(path)] = (stamp, find(path))
        except (OSError, StorageError) as error:  # perhaps readable next time
            log.debug("%s is left for later: %s", path, error)
    return found


def main() -> None:
    """Do one share of the work."""
    names = filter(None, sys.stdin.buffer.read().split(END))
    found = look_at([Path(os.fsdecode(name)) for name in names])
    json.dump({path: write_entry(*told) for path, told in found.items()}, sys.stdout)


def _worthwhile(files: int) -> int:
    return max(1, min(os.cpu_count() or 1, MOST, files // PAYS_FROM))


def _start(paths: Sequence[Path]) -> "subprocess.Popen[bytes] | None":
    """A process that was given its share; None where none can be started."""
    home = str(Path(webui.__file__).resolve().parents[1])
    search = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "webui.library.readers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": search},
        )
        assert process.stdin is not None
        with process.stdin as pipe:
            pipe.write(END.join(os.fsencode(path) for path in paths))
    except OSError as error:
        log.debug("no further process reads headers: %s", error)
        return None
    return process


def _collect(paths: Sequence[Path], process: "subprocess.Popen[bytes] | None") -> Findings:
    if process is not None:
        assert process.stdout is not None
        with process.stdout as pipe:
            told = pipe.read()
        process.wait()
        try:
            return {path: read_entry(*entry) for path, entry in json.loads(told).items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.debug("a process that read headers ended early: %s", error)
    return look_at(paths)


if __name__ == "__main__":
    main()
