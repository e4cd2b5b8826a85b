"""How long until the page is usable, beside `import gradio` alone, in the same run.

Usage: python -m benchmarks.startup [--rounds 5]
Starts `python launch.py --no-browser` on a free port with a scratch data folder, and measures
the seconds until the API answers, until `/` serves the built form, and until the first starter
picture (256x256, 20 steps) is finished. Prints medians.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    gradio = [time_import() for _ in range(rounds)]
    starts = [time_start() for _ in range(rounds)]
    rows = [
        ("python -c 'import gradio'", statistics.median(gradio)),
        ("launch to the API answering", statistics.median(s[0] for s in starts)),
        ("launch to / serving the form", statistics.median(s[1] for s in starts)),
        ("launch to the first picture", statistics.median(s[2] for s in starts)),
        ("allowed for the form (1.5 x gradio + 1 s)", 1.5 * statistics.median(gradio) + 1.0),
    ]
    width = max(len(name) for name, _ in rows)
    for name, seconds in rows:
        sys.stdout.write(f"{name:<{width}}  {seconds:6.2f} s\n")


def time_import() -> float:
    """Seconds for a fresh interpreter to import gradio."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True)
    return time.perf_counter() - began


def time_start() -> tuple[float, float, float]:
    """Seconds from launch to the API, to the page, and to the first picture."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as data:
        command = [
            sys.executable,
            str(ROOT / "launch.py"),
            "--no-browser",
            "--port",
            str(port),
            "--data-dir",
            data,
        ]
        began = time.perf_counter()
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            api = wait(lambda: b"" in fetch(f"{base}/health")) - began
            page = wait(lambda: b"txt2img_generate" in fetch(f"{base}/")) - began
            picture = time_picture(base) - began
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)
    return api, page, picture


def time_picture(base: str) -> float:
    """The moment at which a 20-step picture of the starter model is finished."""
    body = {
        "sampling": {"steps": 20},
        "canvas": {"width": 256, "height": 256},
        "noise": {"seed": 1},
        "prompt": {"positive": "a house by a lake, day"},
    }
    request = urllib.request.Request(
        f"{base}/api/v1/jobs", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    job = json.load(urllib.request.urlopen(request))

    def finished() -> bool:
        return json.loads(fetch(f"{base}/api/v1/jobs/{job['id']}"))["state"] == "done"

    return wait(finished, 0.05)


def fetch(url: str) -> bytes:
    """The body behind a URL."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def wait(ready, pause: float = 0.02, seconds: float = 120.0) -> float:
    """Poll until `ready` is true; the time then."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if ready():
                return time.perf_counter()
        time.sleep(pause)
    raise TimeoutError("the server did not come up")


if __name__ == "__main__":
    main()
