"""Fixtures for every room: tiny checkpoints, written once for a run of the tests."""

import os
from pathlib import Path

import pytest

# Before any test imports torch: its threads should sleep, not spin, while others work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SD 1.x checkpoint in diffusers layout, native size 64x64."""
    from tests import tiny

    return tiny.write_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_v_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, predicting v."""
    from tests import tiny

    folder = tmp_path_factory.mktemp("models") / "tiny-v"
    return tiny.write_folder(folder, prediction_type="v_prediction")


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SD 1.x checkpoint in one file, original layout, fp16."""
    from tests import tiny

    return tiny.write_file(tmp_path_factory.mktemp("models") / "tiny.safetensors")


@pytest.fixture(scope="session")
def tiny_v_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, marked as predicting v."""
    from tests import tiny

    path = tmp_path_factory.mktemp("models") / "tiny-v.safetensors"
    return tiny.write_file(path, v_prediction=True)
