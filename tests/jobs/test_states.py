"""What becomes of items and jobs when they run, fail, and are stopped, skipped or cancelled."""

import contextlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.jobs.painter import paint
from tests.jobs.studio import Studio, request, states, until
from webui.contract.request import Blob, Rooted
from webui.errors import Conflict, InvalidRequest, NotFound, TooLarge, Unavailable

HASTY = {"start_backoff": 0.01}


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with Studio(tmp_path) as studio:
        yield studio


def test_a_job_runs_and_its_pictures_are_filed(studio: Studio) -> None:
    job = studio.finish(studio.jobs.submit(request(count=3), owner="eve").id)
    assert (job.state, job.owner, job.mode, job.fraction) == ("done", "eve", "txt2img", 1.0)
    assert states(job) == ["done"] * 3
    assert [a.seed for a in job.artifacts] == [100, 101, 102]
    for artifact in job.artifacts:
        view, path = studio.jobs.artifact(artifact.id)
        assert view == artifact
        assert path.read_bytes() == paint(artifact.seed)
    assert len(studio.files()) == 3


def test_jobs_run_in_the_order_of_submission(studio: Studio) -> None:
    first = studio.jobs.submit(request("gate:a"))
    second = studio.jobs.submit(request())
    studio.reached("a")
    assert studio.jobs.get(second.id).state == "queued"
    current = studio.jobs.current()
    assert current is not None
    assert current.id == first.id
    assert [job.id for job in studio.jobs.list()] == [second.id, first.id]
    assert [job.id for job in studio.jobs.list(states=["queued"])] == [second.id]
    studio.open("a")
    assert studio.finish(second.id).state == "done"
    assert studio.jobs.get(first.id).state == "done"
    assert studio.jobs.current() is None


def test_an_invalid_request_queues_nothing(studio: Studio) -> None:
    with pytest.raises(InvalidRequest):
        studio.jobs.submit(request("invalid"))
    missing = request(source__image=Blob(sha256="0" * 64))
    with pytest.raises(NotFound):
        studio.jobs.submit(missing)
    rooted = Rooted(root_id="r", relative_path="a.png", size=1, mtime_ns=1)
    with pytest.raises(InvalidRequest) as caught:
        studio.jobs.submit(request(source__image=rooted))
    assert caught.value.field == "source.image"
    assert studio.jobs.list() == ()


def test_too_many_items_or_jobs_are_refused(tmp_path: Path) -> None:
    with Studio(tmp_path, options={"max_items": 3, "max_waiting_jobs": 1}) as studio:
        with pytest.raises(TooLarge, match="limit is 3"):
            studio.jobs.submit(request(count=4))
        studio.jobs.submit(request("gate:a"))
        studio.reached("a")
        studio.jobs.submit(request())
        with pytest.raises(Conflict, match="queue is full"):
            studio.jobs.submit(request())
        studio.open("a")


def test_unknown_jobs_and_pictures_are_not_found(studio: Studio) -> None:
    for ask in (
        studio.jobs.get,
        studio.jobs.stop,
        studio.jobs.skip,
        studio.jobs.resume,
        studio.jobs.snapshot,
        studio.jobs.events,
        studio.jobs.artifact,
    ):
        with pytest.raises(NotFound):
            ask(77)


def test_a_failing_item_does_not_stop_the_others(studio: Studio) -> None:
    job = studio.finish(studio.jobs.submit(request("@1 fail @2 empty", count=4)).id)
    assert job.state == "failed"
    assert states(job) == ["done", "failed", "failed", "done"]
    error = job.first_error
    assert error is not None
    assert (error.error, "painter's hand" in error.sentence) == ("NumericalError", True)
    assert "Traceback" in error.detail
    assert len(job.artifacts) == 2


def test_a_failure_blocks_only_what_needed_it(studio: Studio) -> None:
    job = studio.finish(studio.jobs.submit(request("chain @1 fail", count=4)).id)
    assert states(job) == ["done", "failed", "blocked", "blocked"]
    assert job.state == "failed"


def test_a_loopback_starts_from_the_picture_before(studio: Studio) -> None:
    job = studio.finish(studio.jobs.submit(request("chain", count=3)).id)
    data = paint(102, paint(101, paint(100)))
    assert studio.jobs.artifact(job.artifacts[2].id)[1].read_bytes() == data


def test_an_uploaded_picture_reaches_the_engine(studio: Studio) -> None:
    blob = Blob(sha256="a" * 64)
    studio.blobs.kept[blob.sha256] = b"photo"
    job = studio.finish(studio.jobs.submit(request(source__image=blob)).id)
    assert job.mode == "img2img"
    assert studio.jobs.artifact(job.artifacts[0].id)[1].read_bytes() == paint(100, b"photo")


def test_a_source_that_was_changed_on_disk_fails_its_item_by_name(studio: Studio) -> None:
    job = studio.jobs.submit(request("chain nothing-early @1 gate:a", count=3))
    studio.reached("a")
    studio.jobs.stop(job.id)
    job = studio.finish(job.id)
    assert states(job) == ["done", "cancelled", "cancelled"]
    path = studio.jobs.artifact(job.artifacts[0].id)[1]
    path.write_bytes(b"other")
    studio.jobs.resume(job.id)
    job = studio.finish(job.id)
    assert states(job) == ["done", "failed", "blocked"]
    assert job.items[1].error is not None
    assert path.name in job.items[1].error.sentence


def test_what_the_engine_notices_is_shown_once(studio: Studio) -> None:
    job = studio.finish(studio.jobs.submit(request("notice", count=3)).id)
    assert job.notices == ("The paint is thin.",)


@pytest.mark.parametrize(("mode", "ended"), [("stop", "stopped"), ("cancel", "cancelled")])
def test_stop_keeps_the_running_picture_and_cancel_discards_it(
    studio: Studio, mode: str, ended: str
) -> None:
    job = studio.jobs.submit(request("@1 gate:a", count=3))
    studio.reached("a")
    studio.jobs.stop(job.id, mode)  # type: ignore[arg-type]
    job = studio.finish(job.id)
    assert states(job) == ["done", ended, "cancelled"]
    assert job.state == ended
    assert len(job.artifacts) == len(studio.files()) == (2 if mode == "stop" else 1)


def test_stop_before_anything_is_there_keeps_nothing(studio: Studio) -> None:
    job = studio.jobs.submit(request("gate:a nothing-early"))
    studio.reached("a")
    studio.jobs.stop(job.id)
    job = studio.finish(job.id)
    assert (states(job), job.state) == (["cancelled"], "stopped")


def test_a_waiting_job_is_stopped_without_the_worker(studio: Studio) -> None:
    first = studio.jobs.submit(request("gate:a"))
    studio.reached("a")
    second = studio.jobs.submit(request(count=2))
    second = studio.jobs.stop(second.id, "cancel")
    assert (second.state, states(second)) == ("cancelled", ["cancelled"] * 2)
    studio.open("a")
    assert studio.finish(first.id).state == "done"


def test_cancel_overrules_stop_and_twice_is_once(studio: Studio) -> None:
    job = studio.jobs.submit(request("gate:a", count=2))
    studio.reached("a")
    for mode in ("stop", "cancel", "stop", "cancel"):
        studio.jobs.stop(job.id, mode)  # type: ignore[arg-type]
    job = studio.finish(job.id)
    assert job.state in ("cancelled", "stopped")
    before = job
    assert studio.jobs.stop(job.id, "cancel") == before


def test_stopping_an_ended_job_changes_nothing(studio: Studio) -> None:
    job = studio.finish(studio.jobs.submit(request()).id)
    assert studio.jobs.stop(job.id, "cancel") == job
    assert studio.jobs.skip(job.id) == job


def test_skip_keeps_the_present_picture_and_goes_on(studio: Studio) -> None:
    job = studio.jobs.submit(request("@0 gate:a @2 gate:b", count=3))
    studio.reached("a")
    studio.jobs.skip(job.id)
    studio.reached("b")
    assert states(studio.jobs.get(job.id)) == ["stopped", "done", "running"]
    studio.open("b")
    job = studio.finish(job.id)
    assert (job.state, states(job)) == ("done", ["stopped", "done", "done"])
    assert len(job.artifacts) == 3


def test_a_skipped_picture_is_what_the_next_one_starts_from(studio: Studio) -> None:
    job = studio.jobs.submit(request("chain @0 gate:a", count=2))
    studio.reached("a")
    studio.jobs.skip(job.id)
    assert states(studio.finish(job.id)) == ["stopped", "done"]


def test_a_skip_that_leaves_nothing_blocks_what_needed_it(studio: Studio) -> None:
    job = studio.jobs.submit(request("chain @0 gate:a nothing-early", count=2))
    studio.reached("a")
    studio.jobs.skip(job.id)
    assert states(studio.finish(job.id)) == ["cancelled", "blocked"]


def test_a_stopped_job_can_go_on_with_what_was_not_begun(studio: Studio) -> None:
    job = studio.jobs.submit(request("@1 gate:a", count=4))
    studio.reached("a")
    studio.jobs.stop(job.id)
    stopped = studio.finish(job.id)
    kept = {a.path: (studio.outputs / a.path).stat().st_mtime_ns for a in stopped.artifacts}
    studio.jobs.resume(job.id)
    job = studio.finish(job.id)
    assert (job.state, states(job)) == ("done", ["done", "stopped", "done", "done"])
    assert {p: (studio.outputs / p).stat().st_mtime_ns for p in kept} == kept


@pytest.mark.parametrize("end", ["done", "cancelled"])
def test_what_is_over_cannot_be_resumed(studio: Studio, end: str) -> None:
    job = studio.jobs.submit(request("gate:a"))
    studio.reached("a")
    with pytest.raises(Conflict, match="running"):
        studio.jobs.resume(job.id)
    with pytest.raises(Conflict, match="not paused"):
        studio.jobs.discard(job.id)
    if end == "cancelled":
        studio.jobs.stop(job.id, "cancel")
    studio.open("a")
    assert studio.finish(job.id).state == end
    with pytest.raises(Conflict, match=end):
        studio.jobs.resume(job.id)


def test_items_that_differ_only_in_seeds_share_a_pass_where_asked(
    studio: Studio, tmp_path: Path
) -> None:
    from tests.jobs.painter import log_lines

    studio.finish(studio.jobs.submit(request(count=5, sampling__pack=2)).id)
    studio.finish(studio.jobs.submit(request("@1 other", count=3, seed=7, sampling__pack=4)).id)
    studio.finish(studio.jobs.submit(request(count=2, seed=1)).id)
    runs = [line for line in log_lines(tmp_path) if line.startswith("run")]
    assert runs == [
        "run 100 101",
        "run 102 103",
        "run 104",
        "run 7",
        "run 8",
        "run 9",
        "run 1",
        "run 2",
    ]


def test_stop_ends_every_item_of_a_packed_run(studio: Studio) -> None:
    job = studio.jobs.submit(request("gate:a", count=4, sampling__pack=2))
    studio.reached("a")
    studio.jobs.stop(job.id)
    assert states(studio.finish(job.id)) == ["stopped", "cancelled", "cancelled", "cancelled"]


def test_a_full_disk_pauses_the_job_and_resuming_finishes_it(tmp_path: Path) -> None:
    full: list[bool] = [True]

    def refuse(step: str) -> None:
        from webui.errors import StorageError

        if step == "renamed" and full:
            full.clear()
            raise StorageError("The disk is full.")

    with Studio(tmp_path, after=refuse) as studio:
        job = studio.finish(studio.jobs.submit(request(count=2)).id)
        assert (job.state, states(job)) == ("paused", ["waiting", "waiting"])
        assert job.error is not None
        assert job.error.sentence == "The disk is full."
        assert studio.files() == []
        studio.jobs.resume(job.id)
        job = studio.finish(job.id)
        assert (job.state, job.error, len(studio.files())) == ("done", None, 2)


def test_a_paused_job_can_be_discarded(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    id = studio.jobs.submit(request(count=2)).id
    studio.jobs.close()
    with Studio(tmp_path) as studio:
        assert studio.jobs.get(id).state == "paused"
        job = studio.jobs.discard(id)
        assert (job.state, states(job)) == ("cancelled", ["cancelled"] * 2)


def test_an_engine_that_cannot_start_fails_the_job_with_its_sentence(tmp_path: Path) -> None:
    with Studio(tmp_path, engine="tests.jobs.painter:make_broken", options=HASTY) as studio:
        job = studio.finish(studio.jobs.submit(request(count=2)).id)
        assert (job.state, states(job)) == ("failed", ["failed"] * 2)
        assert job.first_error is not None
        assert job.first_error.error == Unavailable.__name__
        assert "No module named 'paint'" in job.first_error.sentence
        assert studio.jobs.worker().state == "failed"


def test_the_vocabulary_is_handed_on(studio: Studio) -> None:
    until(lambda: studio.words)
    assert studio.words[0].words["samplers"][0].id == "painter"
    assert studio.jobs.worker().state == "ready"


def test_wishes_from_many_hands_leave_every_job_ended_and_no_file_unaccounted(
    studio: Studio,
) -> None:
    ids = [studio.jobs.submit(request("notice", count=4, seed=10 * n)).id for n in range(8)]

    def meddle(seed: int) -> None:
        hand = random.Random(seed)
        while not all(studio.jobs.get(id).ended for id in ids):
            id = hand.choice(ids)
            wish = hand.choice(["stop", "cancel", "skip", "skip", "look", "look", "resume"])
            with contextlib.suppress(Conflict):
                if wish in ("stop", "cancel"):
                    studio.jobs.stop(id, wish)  # type: ignore[arg-type]
                elif wish == "skip":
                    studio.jobs.skip(id)
                elif wish == "resume" and hand.random() < 0.2:
                    studio.jobs.resume(id)
                else:
                    studio.jobs.snapshot(id)

    with ThreadPoolExecutor(3) as hands:
        for future in [hands.submit(meddle, seed) for seed in range(3)]:
            future.result(60)
    jobs = [studio.finish(id) for id in ids]
    assert studio.files() == sorted(a.path for job in jobs for a in job.artifacts)
    for job in jobs:
        kept = [item.state in ("done", "stopped") for item in job.items]
        assert kept == [bool(item.artifacts) for item in job.items]
    assert studio.finish(studio.jobs.submit(request()).id).state == "done"
