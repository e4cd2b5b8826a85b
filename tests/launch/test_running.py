import os
import subprocess
import sys
from pathlib import Path

import pytest

import launch


def test_flags_alone_mean_serve() -> None:
    assert launch.split(["--port", "7861"]) == ("serve", ["--port", "7861"])
    assert launch.split([]) == ("serve", [])


def test_a_command_takes_the_rest() -> None:
    assert launch.split(["test", "-k", "launch"]) == ("test", ["-k", "launch"])
    assert launch.split(["generate", "txt2img"]) == ("generate", ["txt2img"])


def test_parity_stands_for_its_own_tests() -> None:
    assert launch.pytest_arguments(["-q", "--parity", "--page"]) == [
        "-q", "tests/parity", "-m", "parity", "--page",
    ]  # fmt: skip
    assert (launch.ROOT / "tests" / "parity").is_dir()


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("Temporary failure in name resolution", "cannot be reached"),
        ("ReadTimeoutError: Read timed out.", "cannot be reached"),
        ("PermissionError: [Errno 13] Permission denied: '/x'", "may not be written"),
        ("ERROR: No matching distribution found for x==1", "no build"),
        ("something else", "otherwise"),
    ],
)
def test_what_pip_says_becomes_a_sentence(said: str, meaning: str) -> None:
    assert meaning in launch.explain(said, Path("env"), "otherwise")


def test_a_failing_program_raises_a_sentence(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('No space left on device'); sys.exit(2)"
    with pytest.raises(launch.Sentence, match="disk is full"):
        launch.run([sys.executable, "-c", code], tmp_path, "otherwise")


def test_a_program_that_is_not_there_raises_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(launch.Sentence, match="cannot be started"):
        launch.run([str(tmp_path / "nothing")], tmp_path, "otherwise")


def test_an_old_python_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(launch.Sentence, match=r"3\.11 or newer; this is 3\.9\.2"):
        launch.main([], {})


@pytest.mark.skipif(os.name == "nt", reason="exec is for the others")
def test_the_program_takes_the_launchers_place_and_can_import_this_project(
    tmp_path: Path,
) -> None:
    code = (
        "import launch, pathlib, sys\n"
        "launch.start(pathlib.Path(sys.executable),"
        " ['-c', 'import webui, sys; sys.exit(7 if webui.__version__ else 1)'])"
    )
    environ = {**os.environ, "PYTHONPATH": str(launch.ROOT)}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ).returncode == 7


def test_the_launcher_parses_on_pythons_that_it_refuses() -> None:
    import ast

    source = Path(launch.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))


def test_the_launcher_needs_only_the_standard_library() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); import launch;"
        "outside = {m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names);"
        "sys.exit(str(outside) if outside - {'launch', '__main__'} else 0)"
    )
    command = [sys.executable, "-S", "-I", "-c", code]
    done = subprocess.run(command, cwd=launch.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
