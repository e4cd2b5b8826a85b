"""The store itself: transactions, versions, and the states that every sequence of wishes keeps."""

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.jobs.studio import plan, request
from webui.errors import Conflict, StorageError
from webui.jobs import queue, records, transitions
from webui.jobs.schema import MIGRATIONS
from webui.jobs.store import Store
from webui.jobs.views import ENDED_JOB_STATES, OPEN_ITEM_STATES, ErrorView, JobView


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def submit(store: Store, prompt: str = "", count: int = 1) -> int:
    return transitions.submit(store, *plan(request(prompt, count)), "")


def view(store: Store, job: int) -> JobView:
    with store.read() as db:
        return records.job_view(db, job)


def test_a_commit_is_forced_to_the_disk_and_references_are_checked(store: Store) -> None:
    with store.write() as db:
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    with pytest.raises(StorageError, match="FOREIGN KEY"), store.write() as db:
        db.execute("INSERT INTO needs (job, idx, need) VALUES (9, 1, 0)")


def test_an_error_in_a_transaction_undoes_all_of_it(store: Store) -> None:
    job = submit(store, count=2)
    with pytest.raises(ZeroDivisionError), store.write():
        transitions.claim(store, job, [0])
        _ = 1 / 0
    assert [item.state for item in view(store, job).items] == ["waiting", "waiting"]


def test_readers_see_whole_transactions_only(store: Store) -> None:
    job = submit(store, count=2)
    seen: list[str] = []
    with store.write():
        transitions.claim(store, job, [0])
        reader = threading.Thread(target=lambda: seen.append(view(store, job).state))
        reader.start()
        reader.join()
    assert seen == ["queued"]
    assert view(store, job).state == "running"


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "jobs.sqlite3") as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    for _ in range(2):  # and the folder is free again after the refusal
        with pytest.raises(StorageError, match="newer version"):
            Store(tmp_path)


def test_a_file_that_is_no_store_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite3").write_bytes(b"no database " * 100)
    with pytest.raises(StorageError, match="cannot be opened"):
        Store(tmp_path)


def test_a_store_is_closed_by_any_thread_and_twice(tmp_path: Path) -> None:
    store = Store(tmp_path)
    closer = threading.Thread(target=store.close)
    closer.start()
    closer.join()
    store.close()
    Store(tmp_path).close()


def test_another_order_between_jobs_fits_in(store: Store) -> None:
    first, second = submit(store), submit(store)
    with store.read() as db:
        usual = queue.next_batch(db)
        turned = queue.next_batch(db, lambda jobs: jobs[::-1])
    assert usual is not None
    assert turned is not None
    assert (usual.job, turned.job) == (first, second)


def test_an_item_is_ready_when_what_it_needs_is_there(store: Store) -> None:
    job = submit(store, "chain", count=2)
    transitions.claim(store, job, [0])
    with store.read() as db:
        assert queue.next_batch(db) is None
    transitions.end_item(store, job, 0, "done")
    with store.read() as db:
        batch = queue.next_batch(db)
    assert batch is not None
    assert batch.indices == (1,)


def test_items_that_were_taken_back_are_not_claimed(store: Store) -> None:
    job = submit(store, count=2)
    with store.read() as db:
        batch = queue.next_batch(db)
    assert batch is not None
    transitions.stop(store, job, "stop")
    assert not transitions.claim(store, job, batch.indices)


ITEMS = 4
ERROR = ErrorView(error="WorkerLost", sentence="It ended.")


class Wishes(RuleBasedStateMachine):
    """Any sequence of what a runner, a user and a restart can do to one job."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.store = Store(Path(self.folder.name))
        self.store._writer.execute("PRAGMA synchronous = OFF")  # only for the speed of this test
        self.job = submit(self.store, "chain", ITEMS)
        self.kept: set[int] = set()
        self.changed = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @property
    def view(self) -> JobView:
        return view(self.store, self.job)

    @property
    def running(self) -> list[int]:
        return [item.index for item in self.view.items if item.state == "running"]

    @rule()
    def claim(self) -> None:
        with self.store.read() as db:
            batch = queue.next_batch(db)
        if batch is not None:
            assert transitions.claim(self.store, batch.job, batch.indices)

    @precondition(lambda self: self.running)
    @rule(state=st.sampled_from(["done", "stopped", "failed", "cancelled"]))
    def end(self, state: Any) -> None:
        index = self.running[0]
        transitions.end_item(self.store, self.job, index, state)
        if state in ("done", "stopped"):
            self.kept.add(index)

    @precondition(lambda self: self.running)
    @rule()
    def lose(self) -> None:
        transitions.lose_item(self.store, self.job, self.running[0], 2, ERROR)

    @rule(mode=st.sampled_from(["stop", "cancel"]))
    def stop(self, mode: Any) -> None:
        transitions.stop(self.store, self.job, mode)
        assert not any(item.state == "waiting" for item in self.view.items)

    @precondition(lambda self: not self.running)
    @rule()
    def resume(self) -> None:
        before = self.view.state
        try:
            transitions.resume(self.store, self.job)
        except Conflict:
            assert before in ("queued", "running", "done", "cancelled")

    @rule()
    def restart(self) -> None:
        transitions.pause(self.store, self.job)
        assert not self.running

    @invariant()
    def what_was_made_stays_made(self) -> None:
        states = {item.index: item.state for item in self.view.items}
        assert all(states[index] in ("done", "stopped") for index in self.kept)
        assert {i for i, s in states.items() if s in ("done", "stopped")} == self.kept

    @invariant()
    def a_job_is_over_exactly_when_its_items_are(self) -> None:
        job = self.view
        open_items = [item for item in job.items if item.state in OPEN_ITEM_STATES]
        assert (job.state in ENDED_JOB_STATES) == (not open_items)
        assert (job.finished is not None) == (job.state in ENDED_JOB_STATES)

    @invariant()
    def nothing_waits_for_what_will_not_come(self) -> None:
        states = [item.state for item in self.view.items]
        for before, after in itertools.pairwise(states):
            if after in ("waiting", "running"):
                assert before not in ("failed", "cancelled", "blocked")

    @invariant()
    def a_job_that_was_told_to_end_begins_nothing(self) -> None:
        job = self.view
        with self.store.read() as db:
            told = transitions.job_row(db, self.job)["intent"]
        if told and job.state != "paused":
            assert not any(item.state == "waiting" for item in job.items)

    @invariant()
    def numbers_only_rise(self) -> None:
        assert self.view.changed >= self.changed
        self.changed = self.view.changed


Wishes.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_every_sequence_of_wishes_keeps_the_rules = Wishes.TestCase
