"""A pickle that would run code never runs: whatever it is called and however it is wrapped."""

import contextlib
import io
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.library.conversion.payloads import as_stream, as_zip, payloads, wrappings
from webui.errors import WebuiError
from webui.library.conversion.archives import open_archive
from webui.library.conversion.process import convert_model
from webui.library.headers import read_header

ROOT = Path(__file__).resolve().parents[3]
NAMES = list(payloads(Path("canary")))
KINDS = {
    "checkpoint": "Stable-diffusion/model.ckpt",
    "lora": "Lora/style.pt",
    "embedding": "embeddings/word.pt",
    "embedding of diffusers": "embeddings/learned_embeds.bin",
    "vae": "VAE/colours.vae.pt",
    "upscaler": "ESRGAN/4x.pth",
    "controlnet": "ControlNet/canny.pth",
    "hypernetwork": "hypernetworks/style.pt",
    "previewer": "VAE-approx/taesd_decoder.pth",
    "text encoder": "text_encoder/pytorch_model.bin",
    "renamed": "Stable-diffusion/model.safetensors",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_payload_works_where_pickle_reads_it(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with contextlib.suppress(TypeError):  # what comes of it is of no use, yet it has run
        pickle.loads(payloads(canary)[name])
    assert canary.exists()


@pytest.mark.parametrize("name", NAMES)
def test_no_payload_runs_in_any_wrapping(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for wrapping in wrappings(payloads(canary)[name]).values():
        with pytest.raises((WebuiError, ValueError)):
            open_archive(io.BytesIO(wrapping))
        assert not canary.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_any_kind_that_would_run_code_is_refused(kind: str, tmp_path: Path) -> None:
    canary, models = tmp_path / "canary", tmp_path / "models"
    source = models / KINDS[kind]
    source.parent.mkdir(parents=True)
    wrap = as_stream if kind in ("lora", "upscaler") else as_zip
    source.write_bytes(wrap(payloads(canary)["nested in weights"]))
    with pytest.raises(WebuiError, match=r"builtin.*\.exec.*made to do harm"):
        convert_model(source, models)
    assert not canary.exists()
    assert [p for p in models.rglob("*") if p.is_file()] == [source]


def test_a_renamed_pickle_is_not_read_as_safetensors(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for wrapping in wrappings(payloads(canary)["exec"]).values():
        path = tmp_path / "model.safetensors"
        path.write_bytes(wrapping)
        with pytest.raises(WebuiError, match="convert the model first"):
            read_header(path)
    assert not canary.exists()


WALLED = """
import sys
from webui.library.conversion.walls import bound_resources, close_the_door, leave_network
import socket, subprocess, os, ctypes
leave_network(); bound_resources(60, 1000); close_the_door()
tried = {
    "file": lambda: open(sys.argv[1], "w"),
    "reading": lambda: open(sys.executable, "rb"),
    "socket": lambda: socket.socket(),
    "program": lambda: subprocess.run(["true"]),
    "shell": lambda: os.system("true"),
    "module": lambda: __import__("colorsys"),
    "code": lambda: exec("1"),
    "library": lambda: ctypes.CDLL(None),
    "fork": lambda: os.fork() if hasattr(os, "fork") else open("x"),
}
for name, attempt in tried.items():
    try:
        attempt()
    except BaseException as error:
        print(name, type(error).__name__)
    else:
        print(name, "went through")
"""


def test_behind_the_walls_nothing_can_be_begun(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WALLED, str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 9
    assert all(line.endswith(" Walled") for line in done.stdout.splitlines()), done.stdout
    assert not (tmp_path / "file").exists()


FORBIDDEN = re.compile(
    r"torch\.load\b|^\s*(import|from) (pickle|dill|joblib|cloudpickle|shelve|marshal)\b"
    r"|allow_pickle\s*=\s*True|weights_only\s*=\s*False|from torch import .*\bload\b",
    re.MULTILINE,
)


def test_nothing_else_in_the_house_opens_pickles() -> None:
    """The workshop of the starter model reads back what it wrote; nothing imports it."""
    workshop = ROOT / "webui" / "starter"
    sources = [*(ROOT / "webui").rglob("*.py"), *(ROOT / "extensions").rglob("*.py")]
    ours = [path for path in sources if not path.is_relative_to(workshop)]
    found = [path.name for path in ours if FORBIDDEN.search(path.read_text(encoding="utf-8"))]
    assert not found
