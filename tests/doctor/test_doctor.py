import json
import socket
from pathlib import Path

import pytest
from rich.console import Console

from webui import cli
from webui.doctor import facts, parts
from webui.doctor.command import print_facts
from webui.doctor.facts import Fact
from webui.doctor.parts import Part, find_attention
from webui.settings import Settings, load_settings


def make_settings(folder: Path, *argv: str) -> Settings:
    return load_settings(["--data-dir", str(folder), *argv], {})


def find(found: list[Fact], name: str) -> Fact:
    return next(fact for fact in found if fact.name == name)


def test_writable_folders_are_well(tmp_path: Path) -> None:
    found = facts.find_folders(make_settings(tmp_path))
    assert {fact.health for fact in found} == {"ok"}
    assert str(tmp_path) in find(found, "data").value


def test_folders_that_are_only_read_are_told_too(tmp_path: Path) -> None:
    argv = ["--a1111-home", str(tmp_path), "--ckpt-dir", str(tmp_path / "away")]
    found = facts.find_folders(make_settings(tmp_path, *argv))
    assert find(found, "older installation").health == "ok"
    assert find(found, "further models").health == "note"


def test_a_file_in_the_way_of_a_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("")
    found = facts.find_folders(make_settings(tmp_path))
    assert find(found, "outputs").health == "problem"
    assert find(found, "outputs").advice


def test_a_full_disk_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "LEAST_FREE", 2**62)
    assert find(facts.find_folders(make_settings(tmp_path)), "data").health == "problem"


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        fact = find(facts.find_server(make_settings(tmp_path, "--port", port)), "address")
    assert fact.health == "note"
    assert port in fact.value


@pytest.mark.parametrize(
    ("argv", "said"),
    [([], "this machine only"), (["--listen"], "made at each start"),
     (["--listen", "--auth", "a:b"], "login that is set")],
)  # fmt: skip
def test_who_can_reach_the_server_is_said(tmp_path: Path, argv: list[str], said: str) -> None:
    assert said in find(facts.find_server(make_settings(tmp_path, *argv)), "reach").value


def test_an_absent_optional_part_is_no_problem() -> None:
    fact = parts.find_part(Part("nothing_here", "nothing-here-at-all", "never mind"))
    assert (fact.health, fact.value) == ("ok", "not installed: never mind")


def test_a_working_optional_part_is_seen_working() -> None:
    assert parts.find_part(Part("pluggy", "pluggy", "")).value.endswith("works")


def test_a_broken_optional_part_says_why() -> None:
    fact = parts.find_part(Part("no_such_module_in_it", "pluggy", "do without"))
    assert fact.health == "note"
    assert "ModuleNotFoundError" in fact.value
    assert fact.advice == "do without"


def test_a_part_that_ends_the_process_is_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashing_part.py").write_text("import os; os._exit(139)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "139" in parts.try_import("crashing_part")["error"]


def test_torch_is_found_with_its_devices() -> None:
    found = parts.find_torch()
    assert "cpu" in find(found, "devices").value
    assert all(fact.health == "ok" for fact in found)


def test_the_table_shows_every_finding_and_its_advice() -> None:
    found = [Fact("a", "one", "fine [x]"), Fact("b", "two", "bad", "problem", "mend it")]
    console = Console(width=80, record=True, quiet=False, file=open_nowhere())
    print_facts(found, console)
    text = console.export_text()
    assert "fine [x]" in text
    assert "problem: two. mend it" in text
    assert "Everything" not in text


def open_nowhere():
    import io

    return io.StringIO()


def test_the_findings_can_be_had_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"build": "x", "threads": 1, "devices": [], "name": "sdpa", "why": ""}
    monkeypatch.setattr(parts, "try_import", lambda *_: told)
    code = cli.main(["doctor", "--json", "--data-dir", str(tmp_path)])
    found = json.loads(capsys.readouterr().out)
    assert code == (1 if any(fact["health"] == "problem" for fact in found) else 0)
    assert {"machine", "versions", "torch", "folders", "server", "optional"} == {
        fact["section"] for fact in found
    }


def test_the_choice_of_attention_is_told_with_its_reason() -> None:
    plain, declined = find_attention("auto", "cpu"), find_attention("xformers", "cpu")
    assert (plain.value, plain.health) == ("sdpa", "ok")
    assert declined.value == "sdpa (xformers has no kernels for cpu)"
    assert declined.health == "note"
