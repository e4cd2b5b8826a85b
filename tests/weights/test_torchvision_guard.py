"""A torchvision made for another torch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from webui.weights.torchvision_guard import mend_torchvision, suppress

BROKEN = {
    "__init__.py": "from torchvision import extension, _meta, ops\n__version__ = '0.0'\n",
    "extension.py": (
        "def _has_ops():\n    return False\n"
        "def _assert_has_ops():\n"
        "    if not _has_ops():\n        raise RuntimeError('no operators')\n"
    ),
    # What real ones do: describing an operator that is not there fails the import.
    "_meta.py": (
        "import torch\n"
        "from torchvision import extension\n"
        "if extension._has_ops():\n    torch.ops.torchvision.roi_align\n"
        "@torch.library.register_fake('torchvision::nms')\n"
        "def meta_nms(dets, scores, iou_threshold):\n    return dets.new_empty(0)\n"
    ),
    "ops.py": (
        "import torch\n"
        "from torchvision.extension import _assert_has_ops\n"
        "def nms(boxes, scores, iou_threshold):\n"
        "    _assert_has_ops()\n"
        "    return torch.ops.torchvision.nms(boxes, scores, iou_threshold)\n"
    ),
    "_C.so": "not a library of this torch",
}

USE = """
import torch, torchvision
boxes = torch.tensor([[0., 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
kept = torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5)
assert kept.tolist() == [1, 2], kept
"""

GUARD = """
import logging, sys
logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
from webui.weights.torchvision_guard import mend_torchvision
print("mended", mend_torchvision(), mend_torchvision())
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    start = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    return subprocess.run(
        [sys.executable, "-c", start + code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    (tmp_path / "torchvision").mkdir()
    for name, text in BROKEN.items():
        (tmp_path / "torchvision" / name).write_text(text, encoding="utf-8")
    return tmp_path


FAIL_FIRST = """
try:
    import torchvision
except RuntimeError as error:
    print("unguarded:", error)
for name in [name for name in sys.modules if name.startswith("torchvision")]:
    del sys.modules[name]
"""


def test_the_guard_makes_a_broken_one_import_and_suppression_work(broken: Path) -> None:
    result = run(FAIL_FIRST + GUARD + USE, broken)
    assert result.returncode == 0, result.stderr
    assert "unguarded: operator torchvision::nms does not exist" in result.stdout
    assert "mended True True" in result.stdout
    assert result.stdout.count("WARNING") == 1
    assert "built for another torch" in result.stdout


def test_one_that_cannot_be_imported_at_all_is_reported(broken: Path) -> None:
    (broken / "torchvision" / "extension.py").write_text("raise ImportError('worse')")
    result = run(GUARD, broken)
    assert result.returncode == 0, result.stderr
    assert "cannot be imported: worse" in result.stdout


def test_one_whose_operators_exist_is_left_alone(broken: Path) -> None:
    define = (
        "import torch\n"
        "library = torch.library.Library('torchvision', 'DEF')\n"
        "library.define('nms(Tensor dets, Tensor scores, float t) -> Tensor')\n"
    )
    assert "mended False False" in run(define + GUARD, broken).stdout


def test_without_torchvision_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in this place hides whatever is installed.
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert mend_torchvision.__wrapped__() is False


def test_suppression_keeps_the_best_of_each_heap() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3], [0, 0, 4, 2], [9, 9, 12, 12]])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.95])
    assert suppress(boxes, scores, 0.7).tolist() == [3, 0, 2]
    assert suppress(boxes, scores, 0.4).tolist() == [3, 0]
    assert suppress(torch.zeros(0, 4), torch.zeros(0), 0.5).shape == (0,)
