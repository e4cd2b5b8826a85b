"""What the faces are shown while a job runs: snapshots, streams of events, and the time left."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.studio import Studio, request, until
from webui.contract.events import Preview, Progress
from webui.jobs.live import Live
from webui.jobs.meter import Meter
from webui.jobs.views import Heartbeat, ItemChanged, JobChanged, LiveEvent, Previewed, Progressed


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with Studio(tmp_path) as studio:
        yield studio


def follow(studio: Studio, id: int, since: int = 0) -> list[tuple[int, LiveEvent]]:
    """All events until the job has ended."""

    async def collect() -> list[tuple[int, LiveEvent]]:
        return [pair async for pair in studio.jobs.events(id, since)]

    return asyncio.run(asyncio.wait_for(collect(), 60))


def test_a_snapshot_shows_progress_and_preview_of_the_running_item(studio: Studio) -> None:
    job = studio.jobs.submit(request("@1 gate:a", count=2))
    studio.reached("a")
    until(lambda: studio.jobs.snapshot(job.id).job.step == 2)
    seen = studio.jobs.snapshot(job.id)
    assert (seen.job.current_item, seen.job.steps, seen.job.fraction) == (1, 4, 0.75)
    assert (seen.preview, seen.preview_item) == (b"jpeg 2", 1)
    assert seen.job.eta_seconds is not None
    again = studio.jobs.snapshot(job.id, seen.preview_seq)
    assert (again.preview, again.preview_seq, again.seq) == (None, seen.preview_seq, seen.seq)
    studio.open("a")
    studio.finish(job.id)
    last = studio.jobs.snapshot(job.id)
    assert (last.preview, last.job.fraction, last.job.eta_seconds) == (None, 1.0, None)
    assert last.seq > seen.seq


def test_a_stream_tells_of_every_item_and_ends_with_the_job(studio: Studio) -> None:
    job = studio.jobs.submit(request("@1 fail", count=3))
    events = follow(studio, job.id)
    numbers = [number for number, _ in events]
    assert numbers == sorted(numbers)
    last = {e.item.index: e.item.state for _, e in events if isinstance(e, ItemChanged)}
    assert last == {0: "done", 1: "failed", 2: "done"}
    end = events[-1][1]
    assert isinstance(end, JobChanged)
    assert (end.state, end.fraction) == ("failed", 1.0)


def test_a_reader_that_was_away_gets_what_it_missed_once(studio: Studio) -> None:
    job = studio.jobs.submit(request("@1 gate:a", count=3))
    studio.reached("a")

    async def first_part() -> int:
        seen = 0
        async for number, event in studio.jobs.events(job.id):
            seen = number
            if isinstance(event, ItemChanged) and event.item.state == "done":
                break
        return seen

    seen = asyncio.run(asyncio.wait_for(first_part(), 60))
    studio.open("a")
    studio.finish(job.id)
    events = follow(studio, job.id, seen)
    changed = [e.item.index for _, e in events if isinstance(e, ItemChanged)]
    assert changed == [1, 2]
    assert all(number > seen for number, _ in events)
    assert follow(studio, job.id, events[-1][0]) == events[-1:]


def test_numbers_of_the_last_server_are_understood_by_the_next(tmp_path: Path) -> None:
    with Studio(tmp_path) as studio:
        id = studio.finish(studio.jobs.submit(request(count=2)).id).id
        seen = studio.jobs.snapshot(id).seq
    with Studio(tmp_path) as studio:
        assert [type(e) for _, e in follow(studio, id, seen)] == [JobChanged]
        assert len(follow(studio, id)) == 3


def test_a_slow_reader_gets_only_the_latest_progress_and_preview(studio: Studio) -> None:
    live = Live(studio.store)
    job = studio.jobs.submit(request("gate:a"))
    studio.reached("a")
    live.begin(job.id, [0])
    for step in range(1, 1001):
        live.progress(job.id, Progress(item=0, fraction=step / 1000, step=step, steps=1000))
        live.preview(job.id, Preview(item=0, jpeg=b"%d" % step))

    async def look() -> list[LiveEvent]:
        found: list[LiveEvent] = []
        async for _, event in live.events(job.id):
            found.append(event)
            if isinstance(event, Previewed):
                break
        return found

    found = asyncio.run(asyncio.wait_for(look(), 60))
    progress = [e for e in found if isinstance(e, Progressed)]
    assert [p.step for p in progress] == [1000]
    assert found[-1] == Previewed(item=0, jpeg=b"1000")
    studio.open("a")


def test_a_silent_stream_has_a_heartbeat(studio: Studio) -> None:
    live = Live(studio.store, heartbeat=0.02)
    job = studio.jobs.submit(request("gate:a"))
    studio.reached("a")

    async def look() -> LiveEvent:
        return [e async for _, e in _until_heartbeat(live, job.id)][-1]

    assert asyncio.run(asyncio.wait_for(look(), 60)) == Heartbeat()
    studio.open("a")


async def _until_heartbeat(live: Live, id: int):
    async for pair in live.events(id):
        yield pair
        if isinstance(pair[1], Heartbeat):
            return


def test_closing_ends_every_stream(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.jobs.start()
    job = studio.jobs.submit(request("gate:a"))
    studio.reached("a")

    async def look() -> None:
        stream = studio.jobs.events(job.id)
        await anext(stream)
        await asyncio.to_thread(studio.jobs.close)
        async for _ in stream:
            pass

    asyncio.run(asyncio.wait_for(look(), 60))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_follows_from_the_steps_and_the_items_before() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.begin(1)
    assert meter.eta(0.0, 3) is None
    clock.now = 100.0  # a model was loaded: that comes once
    meter.observe(0.1)
    clock.now = 101.0
    meter.observe(0.2)
    assert meter.eta(0.2, 0) == pytest.approx(8.0)
    assert meter.eta(0.2, 2) == pytest.approx(28.0)
    clock.now = 109.0
    meter.observe(1.0)
    meter.end()
    meter.begin(1)
    clock.now = 110.0
    meter.observe(0.1)
    clock.now = 111.0
    meter.observe(0.2)
    assert meter.eta(0.2, 1) == pytest.approx(8.0 + 10.0)


def test_items_that_share_a_pass_share_their_time() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.begin(4)
    meter.observe(0.0)
    clock.now = 2.0
    meter.observe(0.5)
    assert meter.eta(0.5, 4) == pytest.approx(2.0 + 4.0)
