import json
import sys
from pathlib import Path

import pytest

import launch


def make_venv(folder: Path, version: str) -> Path:
    python = launch.python_of(folder)
    python.parent.mkdir(parents=True)
    python.write_text("")
    (folder / "pyvenv.cfg").write_text(f"home = /somewhere\nversion = {version}\n")
    return folder


def test_without_an_active_environment_it_is_made_beside_the_launcher(tmp_path: Path) -> None:
    assert launch.choose_environment(tmp_path, "/usr", "/usr", None) == tmp_path / ".venv"


def test_an_active_virtual_environment_is_used(tmp_path: Path) -> None:
    assert launch.choose_environment(tmp_path, "/my/venv", "/usr", None) == Path("/my/venv")


def test_a_named_conda_environment_is_used_but_never_its_base(tmp_path: Path) -> None:
    assert launch.choose_environment(tmp_path, "/conda/x", "/conda/x", "x") == Path("/conda/x")
    assert launch.choose_environment(tmp_path, "/conda", "/conda", "base") == tmp_path / ".venv"


def test_the_interpreter_lies_where_the_system_puts_it(tmp_path: Path) -> None:
    assert launch.python_of(tmp_path, windows=True) == tmp_path / "Scripts" / "python.exe"
    assert launch.python_of(tmp_path, windows=False) == tmp_path / "bin" / "python"


def test_the_version_of_an_environment_is_read_without_starting_it(tmp_path: Path) -> None:
    assert launch.python_version(make_venv(tmp_path / "a", "3.12.1")) == "3.12"
    assert launch.python_version(tmp_path / "missing") == ""


def test_an_environment_whose_python_vanished_counts_as_none(tmp_path: Path) -> None:
    folder = make_venv(tmp_path / "a", "3.12.1")
    launch.python_of(folder).unlink()
    assert launch.python_version(folder) == ""


def test_nothing_is_missing_right_after_an_installation(tmp_path: Path) -> None:
    environment = make_venv(tmp_path / "a", "3.11.4")
    want = launch.wanted(environment, {}, ["test"])
    (environment / launch.MARKER).write_text(json.dumps(want))
    assert launch.missing_parts(want, launch.installed(environment)) == []


def test_the_test_extras_are_installed_on_top_of_what_is_there(tmp_path: Path) -> None:
    environment = make_venv(tmp_path / "a", "3.11.4")
    plain = launch.wanted(environment, {}, [])
    assert launch.missing_parts(launch.wanted(environment, {}, ["test"]), plain) == ["test"]


def test_serving_after_testing_installs_nothing(tmp_path: Path) -> None:
    environment = make_venv(tmp_path / "a", "3.11.4")
    full = launch.wanted(environment, {}, ["test"])
    assert launch.missing_parts(launch.wanted(environment, {}, []), full) == []


def test_another_python_installs_everything_again(tmp_path: Path) -> None:
    older = launch.wanted(make_venv(tmp_path / "a", "3.11.4"), {}, [])
    newer = launch.wanted(make_venv(tmp_path / "b", "3.12.0"), {}, [])
    assert launch.missing_parts(newer, older) == ["torch", "base"]


def test_a_changed_lock_installs_that_part_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "base"):
        (tmp_path / f"{name}.txt").write_text("something==1\n")
    monkeypatch.setattr(launch, "LOCKS", tmp_path)
    environment = make_venv(tmp_path / "a", "3.11.4")
    before = launch.wanted(environment, {}, [])
    (tmp_path / "base.txt").write_text("something==2\n")
    assert launch.missing_parts(launch.wanted(environment, {}, []), before) == ["base"]


def test_another_torch_command_is_noticed(tmp_path: Path) -> None:
    environment = make_venv(tmp_path / "a", "3.11.4")
    before = launch.wanted(environment, {}, [])
    after = launch.wanted(environment, {"TORCH_COMMAND": "pip install torch==2.12"}, [])
    assert launch.missing_parts(after, before) == ["torch"]


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00"])
def test_a_broken_marker_means_nothing_is_installed(tmp_path: Path, text: str) -> None:
    (tmp_path / launch.MARKER).write_text(text)
    assert launch.installed(tmp_path) == {}


def test_a_set_up_environment_runs_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = f"{sys.version_info[0]}.{sys.version_info[1]}.0"
    environment = make_venv(tmp_path / "a", running)
    (environment / launch.MARKER).write_text(json.dumps(launch.wanted(environment, {}, [])))
    monkeypatch.setattr(launch, "run", lambda *a: pytest.fail("a program was run"))
    launch.set_up(environment, {}, [])


def test_parts_that_were_installed_stay_so_when_a_later_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = f"{sys.version_info[0]}.{sys.version_info[1]}.0"
    environment = make_venv(tmp_path / "a", running)

    def fake_pip(python: Path, arguments: list[str], place: Path) -> None:
        if "base.txt" in arguments[-1] and arguments[0] == "-r":
            raise launch.Sentence("no network")

    monkeypatch.setattr(launch, "pip", fake_pip)
    monkeypatch.setattr(launch, "torch_fits", lambda python: True)
    with pytest.raises(launch.Sentence):
        launch.set_up(environment, {}, [])
    want = launch.wanted(environment, {}, [])
    assert launch.missing_parts(want, launch.installed(environment)) == ["base"]
