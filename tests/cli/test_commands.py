import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from webui import cli
from webui.cli import generation, serving
from webui.contract.request import GenerationRequest
from webui.errors import Unavailable
from webui.jobs.views import ArtifactView, ErrorView, ItemView, JobState, JobView
from webui.settings import Settings, load_settings


def picture(index: int) -> ArtifactView:
    return ArtifactView(
        id=index, item=index, path=f"txt2img-images/{index}.png", media_type="image/png",
        width=64, height=64, seed=1, infotext="", sha256="0" * 64,
    )  # fmt: skip


def job(state: JobState, done: int = 0, error: ErrorView | None = None) -> JobView:
    items = tuple(
        ItemView(index=i, state="done" if i < done else "waiting", seed=1,
                 artifacts=(picture(i),) if i < done else ())
        for i in range(2)
    )  # fmt: skip
    return JobView(
        id=1, state=state, mode="txt2img", created=0, request=GenerationRequest(), items=items,
        error=error, current_item=0, step=1, steps=4, eta_seconds=3.0,
    )  # fmt: skip


class Jobs:
    """Plays the given states; an exception among them is raised."""

    def __init__(self, *states: JobView | BaseException) -> None:
        self.states = list(states)
        self.stops: list[str] = []

    def submit(self, request: GenerationRequest, owner: str = "") -> JobView:
        return job("queued")

    def get(self, id: int) -> JobView:
        state = self.states.pop(0)
        if isinstance(state, BaseException):
            raise state
        return state

    def stop(self, id: int, mode: str = "stop") -> JobView:
        self.stops.append(mode)
        return job("running")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "POLL_SECONDS", 0.0)


def follow(jobs: Jobs) -> tuple[JobView, bool]:
    return generation.follow(jobs, job("queued"), Console(quiet=True))


def test_following_ends_with_the_job() -> None:
    ended, interrupted = follow(Jobs(job("running"), job("running", 1), job("done", 2)))
    assert (ended.state, interrupted) == ("done", False)


def test_ctrl_c_stops_and_keeps_and_a_second_one_discards() -> None:
    jobs = Jobs(job("running"), KeyboardInterrupt(), KeyboardInterrupt(), job("cancelled"))
    assert follow(jobs)[1]
    assert jobs.stops == ["stop", "cancel"]


def test_the_paths_go_to_standard_output(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert generation.report(job("done", 2), tmp_path, False) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert paths == [tmp_path / "txt2img-images" / f"{i}.png" for i in range(2)]


def test_a_failure_is_a_sentence_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    failed = job("failed", 1, ErrorView(error="NumericalError", sentence="It broke down."))
    assert generation.report(failed, tmp_path, False) == 1
    assert "It broke down." in capsys.readouterr().err


def test_an_interrupted_run_says_so_by_its_exit_code(tmp_path: Path) -> None:
    assert generation.report(job("stopped", 1), tmp_path, True) == 130


def test_a_busy_port_is_a_sentence_before_anything_heavy_is_imported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code = (
            "import sys; from webui.cli import main; code = main(sys.argv[1:]);"
            "heavy = {'gradio', 'torch', 'fastapi', 'webui.app'} & set(sys.modules);"
            "sys.exit(9 if heavy else code)"
        )
        command = [sys.executable, "-c", code, "serve", "--port", port, "--no-browser"]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert f"Port {port} is already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_free_port_passes() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serving.check_port(load_settings(["--port", str(port)], {}))


def test_a_login_made_for_a_reachable_server_is_printed_and_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[Settings] = []
    house = SimpleNamespace(serve=lambda settings, open_browser: served.append(settings))
    monkeypatch.setitem(sys.modules, "webui.app", house)
    monkeypatch.setattr(serving, "check_port", lambda settings: None)
    assert cli.main(["serve", "--listen"]) == 0
    name, _, password = served[0].server.auth.partition(":")
    assert f"name {name}   password {password}" in capsys.readouterr().out


def test_an_address_that_is_not_ours_is_a_sentence() -> None:
    with pytest.raises(Unavailable, match=r"cannot listen on 192\.0\.2\.1"):
        serving.check_port(load_settings(["--host", "192.0.2.1"], {}))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["serve", "--port", "99999"], "server.port"),
        (["serve", "--set", "server.prot=1"], "Did you mean server.port?"),
        (["doctor", "--set", "x"], "--set takes name=value"),
    ],
)
def test_a_wrong_setting_is_a_sentence(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 1
    assert said in capsys.readouterr().err


def test_a_wrong_command_line_has_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["paint"])
    assert caught.value.code == 2


def test_a_python_without_our_packages_gets_a_sentence() -> None:
    command = [sys.executable, "-S", "-m", "webui", "serve"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environ, cwd=Path(cli.__file__).parents[2]
    )
    assert done.returncode == 1
    assert "Start with `python launch.py`" in done.stderr
    assert "Traceback" not in done.stderr
