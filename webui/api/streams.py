"""Server-sent events of a job: numbered, resumable, with a heartbeat for proxies."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

from webui.jobs.service import Jobs
from webui.jobs.views import Heartbeat, LiveEvent, Previewed, Snapshot

HEARTBEAT = b": still here\n\n"


async def stream_events(jobs: Jobs, snapshot: Snapshot, since: int = 0) -> AsyncIterator[bytes]:
    """What changes, until the job has ended; a reader who comes without a number first gets all.

    `since` is the last number that the reader has seen. Numbers never go back, so one that is
    ahead of the job is of another server and counts for nothing.
    """
    start = since if 0 < since <= snapshot.seq else 0
    if not start or snapshot.job.ended:
        yield format_event("snapshot", snapshot_json(snapshot), snapshot.seq)
        start = snapshot.seq
    if snapshot.job.ended:
        return
    async for seq, event in jobs.events(snapshot.job.id, start):
        if isinstance(event, Heartbeat):
            yield HEARTBEAT
        else:
            yield format_event(event.kind, event_json(event), seq)


def format_event(kind: str, data: dict[str, Any], seq: int) -> bytes:
    """One event in the wire form; JSON holds no raw newline, so one data line is enough."""
    return f"id: {seq}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def event_json(event: LiveEvent) -> dict[str, Any]:
    """An event as JSON; a preview as a data URI."""
    if isinstance(event, Previewed):
        return {"kind": event.kind, "item": event.item, "preview": data_uri(event.jpeg)}
    return event.model_dump(mode="json")


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as JSON; its preview as a data URI."""
    tree = snapshot.model_dump(mode="json", exclude={"preview"})
    return tree | {"preview": data_uri(snapshot.preview) if snapshot.preview else None}


def data_uri(jpeg: bytes) -> str:
    """A JPEG as text that an img element takes."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
