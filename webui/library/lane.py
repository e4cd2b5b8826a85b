"""A lane: long work on model files, one at a time, told of and stopped from any face."""

import logging
import threading
from collections.abc import Callable
from typing import Literal

from webui.contract.fields import Frozen
from webui.errors import Conflict, WebuiError
from webui.library.errands import Report

log = logging.getLogger(__name__)

BROKEN = "The program made a mistake; the log has the details."
PATIENCE = 10.0
"""Seconds that closing waits for the present work to end."""


class Work(Frozen):
    """What is done or was done last: `share` from 0 to 1, `sentence` once it has ended."""

    number: int
    label: str
    state: Literal["running", "done", "failed"] = "running"
    share: float = 0.0
    sentence: str = ""


Job = Callable[[Report, threading.Event], str]
"""Work that reports its share, heeds the wish to stop, and returns what there is to say."""


class Lane:
    """Every method may be called from any thread; all but `close` return at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._guard = threading.Lock()
        self._work: Work | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def work(self) -> Work | None:
        """What is done now, or was done last; None before the first."""
        return self._work

    def stop(self) -> None:
        """End the present work."""
        self._stop.set()

    def close(self) -> None:
        """End the present work and wait for that."""
        self.stop()
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def begin(self, label: str, job: Job) -> Work:
        """Begin `job` in a thread; raises Conflict while another one runs."""
        with self._guard:
            if self._work is not None and self._work.state == "running":
                raise Conflict(f"{self._work.label}: wait until that is done, or stop it.")
            self._stop = threading.Event()
            number = 1 if self._work is None else self._work.number + 1
            begun = self._work = Work(number=number, label=label)
        self._thread = threading.Thread(target=self._run, args=(job,), name=self._name, daemon=True)
        self._thread.start()
        return begun

    def _run(self, job: Job) -> None:
        try:
            sentence = job(self._report, self._stop)
        except WebuiError as error:
            log.warning("%s (%s)", error.sentence, error.detail)
            self._change(state="failed", sentence=error.sentence)
        except Exception:
            log.exception("work on model files")
            self._change(state="failed", sentence=BROKEN)
        else:
            self._change(state="done", share=1.0, sentence=sentence)

    def _report(self, share: float) -> None:
        self._change(share=share)

    def _change(self, **values: object) -> None:
        if self._work is not None:
            self._work = self._work.model_copy(update=values)
