"""Extensions are found, named when broken, timed, and never fatal."""

from pathlib import Path

import pytest

from webui.errors import PluginError
from webui.plugins import NoArgs, Script, hookimpl
from webui.plugins.manager import PluginManager, StartRecord

SCRIPT = """
from webui.plugins import NoArgs, Script, hookimpl

class Twice(Script):
    name = "{name}"
    label = "{label}"
    args_type = NoArgs

    def expand(self, request, args):
        return []

@hookimpl
def register_scripts():
    return [Twice()]
"""


def write(folder: Path, name: str, text: str, stem: str = "server") -> None:
    (folder / name).mkdir()
    (folder / name / f"{stem}.py").write_text(text, encoding="utf-8")


def test_an_extension_is_loaded_by_the_process_that_its_file_names(tmp_path: Path) -> None:
    write(tmp_path, "one", SCRIPT.format(name="twice", label="Twice"))
    server, engine = PluginManager("server"), PluginManager("engine")
    server.load_folder(tmp_path)
    engine.load_folder(tmp_path)
    assert [s.label for s in server.scripts] == ["Twice"]
    assert server.scripts.owner("twice") == "one"
    assert server.reports[0].hooks == ("register_scripts",)
    assert server.reports[0].seconds > 0
    assert engine.reports == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("raise RuntimeError('no luck')", "no luck"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("def broken(:", "SyntaxError"),
        ("API_VERSION = 99", "API 99"),
        (
            "from webui.plugins import hookimpl\n@hookimpl\ndef register_scripts(wrong): return []",
            "wrong",
        ),
        (
            "from webui.plugins import hookimpl\n@hookimpl\ndef register_nonsense(): return []",
            "register_nonsense",
        ),
        (
            "from webui.plugins import hookimpl\n@hookimpl\ndef register_scripts(): return 1 / 0",
            "ZeroDivisionError",
        ),
        (SCRIPT.format(name="Bad Name", label="X"), "snake_case"),
    ],
)
def test_a_broken_extension_is_named_and_the_others_live(
    tmp_path: Path, text: str, part: str
) -> None:
    write(tmp_path, "bad", text)
    write(tmp_path, "good", SCRIPT.format(name="twice", label="Twice"))
    manager = PluginManager("server")
    manager.load_folder(tmp_path)
    reports = {report.name: report for report in manager.reports}
    assert part in reports["bad"].error
    assert reports["good"].error == ""
    assert [s.name for s in manager.scripts] == ["twice"]


def test_a_name_that_is_taken_is_refused_with_both_owners(tmp_path: Path) -> None:
    write(tmp_path, "a_first", SCRIPT.format(name="twice", label="Twice"))
    write(tmp_path, "b_second", SCRIPT.format(name="twice", label="Other"))
    manager = PluginManager("server")
    manager.load_folder(tmp_path)
    error = next(r.error for r in manager.reports if r.name == "b_second")
    assert "a_first" in error
    assert "b_second" in error


def test_a_disabled_extension_is_listed_and_not_imported(tmp_path: Path) -> None:
    write(tmp_path, "bad", "raise RuntimeError")
    manager = PluginManager("server")
    manager.load_folder(tmp_path, disabled=("bad",))
    assert manager.reports[0].error == "disabled in the settings"


def test_an_extension_that_killed_the_last_start_is_skipped_once(tmp_path: Path) -> None:
    extensions = tmp_path / "extensions"
    extensions.mkdir()
    write(extensions, "one", SCRIPT.format(name="twice", label="Twice"))
    note = tmp_path / "loading"
    note.write_text("one", encoding="utf-8")  # as a process leaves it that died while importing
    manager = PluginManager("server")
    manager.load_folder(extensions, record=StartRecord(note))
    assert "broke the last start" in manager.reports[0].error
    again = PluginManager("server")
    again.load_folder(extensions, record=StartRecord(note))
    assert again.reports[0].error == ""
    assert not note.exists()


def test_an_extension_can_import_the_files_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "one", "from .names import LABEL\n" + SCRIPT.format(name="t", label="T"))
    (tmp_path / "one" / "names.py").write_text("LABEL = 'x'", encoding="utf-8")
    manager = PluginManager("server")
    manager.load_folder(tmp_path)
    assert manager.reports[0].error == ""


def test_a_refused_plugin_leaves_nothing_behind() -> None:
    class Twice(Script[NoArgs]):
        name, label, args_type = "twice", "Twice", NoArgs

        def expand(self, request: object, args: NoArgs) -> list[object]:  # type: ignore[override]
            return []

    class Plugin:
        @hookimpl
        def register_scripts(self) -> list[Script[NoArgs]]:
            return [Twice(), Twice()]

    manager = PluginManager("server")
    with pytest.raises(PluginError, match="already there"):
        manager.add("double", Plugin())
    assert list(manager.scripts) == []
    assert manager.reports == []
