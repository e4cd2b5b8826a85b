"""Workers in this process and in their own: the protocol, and what happens when they die."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.jobs.painter import log_lines, paint
from tests.jobs.studio import ENGINE, Studio, plan, request, states, until
from webui.contract.events import Artifact, Event, Failure, Finished, Progress
from webui.contract.worker import EngineConfig
from webui.errors import Unavailable, WorkerLost
from webui.jobs.workers.inprocess import InProcessWorker
from webui.jobs.workers.process import ProcessWorker

Worker = InProcessWorker | ProcessWorker


def config(folder: Path, engine: str = ENGINE) -> EngineConfig:
    return EngineConfig(models_dir=folder, data_dir=folder, engine=engine)


@pytest.fixture(scope="module", params=[InProcessWorker, ProcessWorker])
def kind(request: pytest.FixtureRequest) -> type[Worker]:
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, kind: type[Worker]) -> Path:
    return tmp_path_factory.mktemp(kind.__name__)


@pytest.fixture(scope="module")
def worker(kind: type[Worker], folder: Path) -> Iterator[Worker]:
    worker = kind(config(folder))
    worker.start()
    yield worker
    worker.close()
    assert not worker.alive()


def run(worker: Worker, prompt: str = "", count: int = 1) -> Iterator[Event]:
    return worker.run(plan(request(prompt, count))[1].items, {})


def endings(events: Iterator[Event]) -> list[str]:
    return [
        e.how if isinstance(e, Finished) else e.error
        for e in events
        if isinstance(e, Finished | Failure)
    ]


def test_a_worker_tells_its_words(worker: Worker) -> None:
    assert worker.vocabulary().words["samplers"][0].label == "Painter"


def test_events_come_in_order_and_each_item_ends_once(worker: Worker) -> None:
    events = list(run(worker, count=2))
    assert [e.item for e in events if isinstance(e, Finished)] == [0, 1]
    assert [e.data for e in events if isinstance(e, Artifact)] == [paint(100), paint(101)]
    steps = [e.step for e in events if isinstance(e, Progress) and e.item == 0]
    assert steps == [1, 2, 3, 4]


def test_an_exception_fails_the_items_that_are_open(worker: Worker) -> None:
    assert endings(run(worker, "@1 fail", count=3)) == ["done", "NumericalError", "NumericalError"]
    assert endings(run(worker, "oom")) == ["OutOfDeviceMemory"]
    assert endings(run(worker)) == ["done"]


@pytest.mark.parametrize("mode", ["stop", "cancel"])
def test_a_wish_reaches_a_running_engine(worker: Worker, folder: Path, mode: str) -> None:
    events = run(worker, f"gate:{mode}-gate", count=2)
    until((folder / f"{mode}-gate.reached").exists)
    worker.stop(mode)  # type: ignore[arg-type]
    ended = "stopped" if mode == "stop" else "cancelled"
    assert endings(events) == [ended, ended]


def test_a_wish_that_comes_between_runs_is_forgotten(worker: Worker) -> None:
    worker.stop("cancel")
    assert endings(run(worker)) == ["done"]


def test_a_killed_worker_is_lost_with_a_sentence(tmp_path: Path) -> None:
    worker = ProcessWorker(config(tmp_path))
    with pytest.raises(WorkerLost, match="killed by SIGKILL"):
        list(run(worker, "die"))
    assert not worker.alive()
    with pytest.raises(WorkerLost):
        worker.run((), {})
    worker.close()


def test_an_engine_that_cannot_be_built_is_unavailable_with_a_sentence(tmp_path: Path) -> None:
    for kind in (InProcessWorker, ProcessWorker):
        worker = kind(config(tmp_path, "tests.jobs.painter:make_broken"))
        with pytest.raises(Unavailable, match=r"could not start.*'paint'"):
            worker.vocabulary()
        worker.close()
        worker.close()


def test_a_worker_that_is_still_loading_can_be_closed(tmp_path: Path) -> None:
    worker = ProcessWorker(config(tmp_path, "tests.jobs.painter:make_slow"))
    worker.start()
    until(lambda: worker.pid is not None)
    worker.close()
    assert worker.pid is not None
    assert not psutil.pid_exists(worker.pid)
    with pytest.raises(WorkerLost):
        worker.vocabulary()


def test_a_worker_that_died_is_replaced_and_its_item_run_once_more(tmp_path: Path) -> None:
    with Studio(tmp_path, process=True) as studio:
        job = studio.finish(studio.jobs.submit(request("@1 die-once", count=3)).id)
        assert (job.state, states(job)) == ("done", ["done"] * 3)
        assert [item.attempts for item in job.items] == [1, 2, 1]
        assert log_lines(tmp_path).count("built") == 2

        job = studio.finish(studio.jobs.submit(request("@0 die", count=2, seed=7)).id)
        assert (job.state, states(job)) == ("failed", ["failed", "done"])
        error = job.items[0].error
        assert error is not None
        assert error.error == "WorkerLost"
        assert "SIGKILL" in error.sentence
        assert "twice" in error.sentence
        assert job.items[0].attempts == 2


def test_an_idle_worker_that_died_is_replaced_before_the_next_job(tmp_path: Path) -> None:
    with Studio(tmp_path, process=True) as studio:
        until(lambda: studio.jobs.worker().state == "ready")
        [first] = studio.workers
        assert isinstance(first, ProcessWorker)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: len(studio.workers) == 2 and studio.jobs.worker().state == "ready")
        assert studio.finish(studio.jobs.submit(request()).id).state == "done"
        assert states(studio.jobs.list()[0]) == ["done"]


def test_a_device_fault_fails_the_item_and_replaces_the_worker(tmp_path: Path) -> None:
    with Studio(tmp_path, process=True) as studio:
        job = studio.finish(studio.jobs.submit(request("@0 fault", count=2)).id)
        assert states(job) == ["failed", "done"]
        assert job.first_error is not None
        assert "device-side assert" in job.first_error.sentence
        assert len(studio.workers) == 2


def test_what_a_worker_logs_is_in_the_log_of_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    worker = ProcessWorker(config(tmp_path, "tests.jobs.painter:make_loud"))
    worker.vocabulary()
    until(lambda: "to stderr" in caplog.text and "to the log" in caplog.text)
    worker.close()
