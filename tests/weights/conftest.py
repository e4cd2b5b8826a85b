"""Loaded tiny checkpoints; loaded once, since nothing may change them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from webui.weights.torchvision_guard import mend_torchvision

mend_torchvision()

from webui.weights.checkpoint import Checkpoint  # noqa: E402 - after the guard
from webui.weights.loading import load_checkpoint  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def from_folder(tiny_folder: Path) -> Checkpoint:
    return load_checkpoint(tiny_folder, "cpu", torch.float32, "tiny", "a" * 64)


@pytest.fixture(scope="session")
def from_file(tiny_file: Path) -> Checkpoint:
    return load_checkpoint(tiny_file, "cpu", torch.float32)
