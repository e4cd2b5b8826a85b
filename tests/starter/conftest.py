"""The whole training in miniature, run once for all tests of its parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import torch

from webui.weights.torchvision_guard import mend_torchvision

mend_torchvision()

from webui.starter.console import Console  # noqa: E402 - after the guard
from webui.starter.practice import Outcome  # noqa: E402
from webui.starter.train import parse_options, run_stages  # noqa: E402


@dataclass(frozen=True)
class Rehearsal:
    """What `--all --tiny` left: the work folder, the checkpoints in it, and what was learned."""

    folder: Path
    outcomes: dict[str, Outcome]

    @property
    def out(self) -> Path:
        return self.folder / "models" / "starter"


def run_tiny(folder: Path, *arguments: str) -> dict[str, Outcome]:
    """Run stages in miniature."""
    where = ["--workdir", str(folder), "--out", str(folder / "models" / "starter")]
    return run_stages(parse_options(["--tiny", *where, *arguments]), Console(StringIO()))


@pytest.fixture(scope="session")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    folder = tmp_path_factory.mktemp("rehearsal")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    outcomes = run_tiny(folder, "--all")
    torch.set_num_threads(threads)
    return Rehearsal(folder, outcomes)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
