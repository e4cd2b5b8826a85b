"""A server without faces, to be killed: `python -m tests.jobs.server FOLDER WISHES`.

WISHES is JSON: `prompt`, `count`, `values` of a request to submit, `process` for a worker in its
own process, `die` as [STEP, K] to end by SIGKILL at the K-th time that filing takes that step,
`linger` to stay after the job has ended, until stdin closes. It tells of itself in lines of JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.jobs.studio import Studio, request, until
from webui.jobs.workers.process import ProcessWorker

HEAVY = ("torch", "diffusers", "transformers", "gradio", "fastapi")


def say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


class Doom:
    """Ends this process, without a word to anybody, at a step of filing."""

    def __init__(self, die: list[Any] | None) -> None:
        self._step, self._left = die or ("never", 0)

    def __call__(self, step: str) -> None:
        if step == self._step:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    folder, wishes = Path(sys.argv[1]), json.loads(sys.argv[2])
    signal.signal(signal.SIGINT, lambda *_: say(interrupted=True))
    process = wishes.get("process", False)
    with Studio(folder, process, after=Doom(wishes.get("die"))) as studio:
        until(lambda: studio.words)
        say(worker=[w.pid for w in studio.workers if isinstance(w, ProcessWorker)])
        wish = request(wishes.get("prompt", ""), wishes.get("count", 1), **wishes.get("values", {}))
        job = studio.jobs.submit(wish)
        say(job=job.id)
        say(ended=studio.finish(job.id).state)
        say(heavy=[name for name in HEAVY if name in sys.modules])
        if wishes.get("linger"):
            sys.stdin.read()


if __name__ == "__main__":
    main()
