"""The house rules that a machine can check."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("webui", "tests", "extensions", "benchmarks", ".ci")
SUFFIXES = {".py", ".js", ".css"}
LONGEST = 400
VAGUE = re.compile(r"(utils?|common|helpers?|shared|misc|stuff|various)\d*")

SERVER_WING = [
    *("errors", "settings", "contract", "images", "library", "plugins", "scripts", "jobs"),
    *("prompts.syntax", "prompts.tokens", "prompts.styles", "api", "ui", "app"),
]
WORKER_WING = ["diffusion", "weights", "prompts", "control", "generation"]


def source_files() -> Iterator[Path]:
    yield ROOT / "launch.py"
    for folder in OURS:
        yield from (p for p in (ROOT / folder).rglob("*") if p.suffix in SUFFIXES)


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in source_files()}
    long = {str(p.relative_to(ROOT)): n for p, n in lengths.items() if n > LONGEST}
    assert not long


def test_no_module_has_a_vague_name() -> None:
    vague = [str(p.relative_to(ROOT)) for p in source_files() if VAGUE.fullmatch(p.stem)]
    assert not vague


def test_every_package_says_what_it_is_for() -> None:
    import ast

    silent = [
        str(p.relative_to(ROOT))
        for p in (ROOT / "webui").rglob("*.py")
        if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_the_import_contracts_hold() -> None:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1].split(","):
    package = importlib.import_module("webui." + name)
    for found in pkgutil.walk_packages(getattr(package, "__path__", ()), package.__name__ + "."):
        importlib.import_module(found.name)
met = set(sys.argv[2].split(",")) & set(sys.modules)
sys.exit(f"imported: {sorted(met)}" if met else 0)
"""


@pytest.mark.parametrize(
    ("wing", "forbidden"),
    [
        (SERVER_WING, "torch,diffusers,transformers,accelerate,torchsde"),
        (WORKER_WING, "gradio,fastapi,starlette,uvicorn"),
    ],
    ids=["server", "worker"],
)
def test_a_wing_never_imports_what_belongs_to_the_other(wing: list[str], forbidden: str) -> None:
    there = [name for name in wing if _exists(name)]
    command = [sys.executable, "-c", IMPORT_ALL, ",".join(there), forbidden]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _exists(name: str) -> bool:
    place = ROOT / "webui" / name.replace(".", "/")
    return place.is_dir() or place.with_suffix(".py").is_file()
