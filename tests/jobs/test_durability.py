"""Real servers, killed for real, and what the next one makes of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.jobs.painter import log_lines, paint
from tests.jobs.studio import Studio, request, states, until
from webui.errors import Conflict
from webui.jobs.store import Store

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A server process over a folder."""

    def __init__(self, folder: Path, **wishes: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.jobs.server", str(folder), json.dumps(wishes)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that an interrupt can be sent to its group alone
        )

    def hear(self, name: str) -> Any:
        """The next thing that it says under this name."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            facts = json.loads(line)
            if name in facts:
                return facts[name]
        raise AssertionError(f"the server ended without a word of {name!r}")

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> int:
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for server in started:
        server.kill()


def pictures(studio: Studio) -> dict[str, tuple[int, bytes]]:
    """Every finished file with its time and bytes."""
    paths = [p for p in studio.outputs.rglob("*.png") if not p.name.startswith(".")]
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in paths}


STEPS = ["reserved", "written", "renamed", "flushed", "done"]


@pytest.mark.parametrize("step", STEPS)
def test_a_server_killed_while_it_files_loses_and_repeats_nothing(
    tmp_path: Path, step: str, servers: list[Server]
) -> None:
    servers.append(server := Server(tmp_path, count=6, die=[step, 4]))
    assert server.end() == -signal.SIGKILL

    studio = Studio(tmp_path)
    before = pictures(studio)
    runs = log_lines(tmp_path)
    arrived = 3 + (step in ("renamed", "flushed", "done"))
    with studio:
        job = studio.jobs.list()[0]
        assert job.state == "paused"
        assert states(job) == ["done"] * arrived + ["waiting"] * (6 - arrived)
        assert studio.files() == sorted(f"day/{name}" for name in before)
        until(lambda: studio.jobs.worker().state == "ready")
        assert [line for line in log_lines(tmp_path) if line.startswith("run")] == runs[1:]

        studio.jobs.resume(job.id)
        job = studio.finish(job.id)
        after = pictures(studio)
        assert job.state == "done"
        assert [a.seed for a in job.artifacts] == list(range(100, 106))
        assert sorted(data for _, data in after.values()) == sorted(map(paint, range(100, 106)))
        assert studio.files() == sorted(a.path for a in job.artifacts)
        assert before.items() <= after.items()
        ran = [line for line in log_lines(tmp_path) if line.startswith("run")]
        again = ["run 103"] if step in ("reserved", "written") else []
        assert sorted(ran) == sorted([f"run {seed}" for seed in range(100, 106)] + again)


@pytest.mark.parametrize("step", ["written", "renamed", "done"])
def test_a_loopback_goes_on_from_the_picture_that_was_filed(
    tmp_path: Path, step: str, servers: list[Server]
) -> None:
    servers.append(server := Server(tmp_path, prompt="chain", count=2, die=[step, 1]))
    assert server.end() == -signal.SIGKILL
    with Studio(tmp_path) as studio:
        job = studio.jobs.list()[0]
        assert job.state == "paused"
        studio.jobs.resume(job.id)
        job = studio.finish(job.id)
        made = [studio.jobs.artifact(a.id)[1].read_bytes() for a in job.artifacts]
        assert made == [paint(100), paint(101, paint(100))]
        assert len(studio.files()) == 2


def test_a_server_killed_in_mid_item_takes_its_worker_along(
    tmp_path: Path, servers: list[Server]
) -> None:
    wishes = {"prompt": "@2 gate:a", "count": 6, "process": True}
    servers.append(server := Server(tmp_path, **wishes))
    [pid] = server.hear("worker")
    worker = psutil.Process(pid)
    until((tmp_path / "a.reached").exists)
    killed = time.monotonic()
    server.kill()
    until(lambda: not alive(worker))
    assert time.monotonic() - killed < 2.5  # the promise is two seconds

    studio = Studio(tmp_path)
    before = pictures(studio)
    assert len(before) == 2
    with studio:
        job = studio.jobs.list()[0]
        assert (job.state, states(job)) == ("paused", ["done"] * 2 + ["waiting"] * 4)
        studio.open("a")
        studio.jobs.resume(job.id)
        job = studio.finish(job.id)
        assert (job.state, len(studio.files())) == ("done", 6)
        assert before.items() <= pictures(studio).items()


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_interrupt_in_the_terminal_leaves_the_worker_to_the_server(
    tmp_path: Path, servers: list[Server]
) -> None:
    servers.append(server := Server(tmp_path, prompt="gate:a", process=True))
    server.hear("worker")
    until((tmp_path / "a.reached").exists)
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.hear("interrupted")
    (tmp_path / "a").touch()
    assert server.hear("ended") == "done"
    assert server.hear("heavy") == []
    assert server.end() == 0


def test_a_second_server_is_refused_until_the_first_has_died(
    tmp_path: Path, servers: list[Server]
) -> None:
    servers.append(server := Server(tmp_path, prompt="gate:a"))
    until((tmp_path / "a.reached").exists)
    with pytest.raises(Conflict, match=rf"process {server.process.pid} on .*--data-dir"):
        Store(tmp_path)
    server.kill()
    Store(tmp_path).close()


def test_jobs_that_waited_are_paused_too_and_a_setting_resumes_them(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    ids = [studio.jobs.submit(request(count=2)).id for _ in range(2)]
    studio.jobs.close()
    with Studio(tmp_path) as studio:
        assert [studio.jobs.get(id).state for id in ids] == ["paused", "paused"]
        assert studio.jobs.current() is None
    with Studio(tmp_path, resume_at_start=True) as studio:
        assert [studio.finish(id).state for id in ids] == ["done", "done"]
        assert len(studio.files()) == 4


def test_an_orderly_end_leaves_the_running_job_to_be_continued(tmp_path: Path) -> None:
    with Studio(tmp_path) as studio:
        id = studio.jobs.submit(request("@1 gate:a", count=3)).id
        studio.reached("a")
    with Studio(tmp_path) as studio:
        job = studio.jobs.get(id)
        assert (job.state, states(job)) == ("paused", ["done", "waiting", "waiting"])
        studio.open("a")
        studio.jobs.resume(id)
        assert studio.finish(id).state == "done"
        assert len(studio.files()) == 3


def test_a_wish_to_stop_outlives_the_server(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    id = studio.jobs.submit(request(count=2)).id
    with studio.store.write() as db:  # as if it had been killed just after the wish was stored
        db.execute("UPDATE items SET state = 'running' WHERE idx = 0")
        db.execute("UPDATE jobs SET state = 'running', intent = 'stop'")
    studio.jobs.close()
    with Studio(tmp_path) as studio:
        job = studio.jobs.get(id)
        assert (job.state, states(job)) == ("stopped", ["cancelled", "cancelled"])


def test_a_promised_name_is_not_given_to_another_job(tmp_path: Path, servers: list[Server]) -> None:
    servers.append(server := Server(tmp_path, die=["reserved", 1]))
    assert server.end() == -signal.SIGKILL
    with Studio(tmp_path) as studio:
        [old] = studio.jobs.list()
        new = studio.finish(studio.jobs.submit(request()).id)
        studio.jobs.resume(old.id)
        old = studio.finish(old.id)
        assert [a.path for a in (*old.artifacts, *new.artifacts)] == [
            "day/00000-100.png",
            "day/00001-100.png",
        ]


def test_numbers_rise_over_restarts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    last = [store.tick() for _ in range(5)][-1]
    store.close()
    store = Store(tmp_path)
    assert store.tick() > last
    store.close()
