"""What happens at start to work that the last server left unfinished."""

import logging

from webui.jobs import transitions
from webui.jobs.filing import Filing
from webui.jobs.store import Store

log = logging.getLogger(__name__)


def recover(store: Store, filing: Filing, resume: bool = False) -> tuple[int, ...]:
    """Settle half-filed items, put running ones back, and pause every unfinished job.

    Nothing starts unasked, unless `resume` (a setting) says so. A job that was told to stop has
    stopped. Returns the ids of the jobs that wait to be continued.
    """
    filing.recover()
    with store.read() as db:
        rows = db.execute(
            "SELECT id, intent FROM jobs WHERE state IN ('queued', 'running', 'paused') ORDER BY id"
        ).fetchall()
    paused: list[int] = []
    for row in rows:
        job = int(row["id"])
        transitions.pause(store, job)
        if row["intent"]:
            transitions.stop(store, job, row["intent"])
        else:
            paused.append(job)
            if resume:
                transitions.resume(store, job)
    if paused:
        log.info("%d interrupted job(s) %s", len(paused), "resumed" if resume else "are paused")
    return tuple(paused)
