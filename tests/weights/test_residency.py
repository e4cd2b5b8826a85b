"""What sits on the device."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from webui.errors import InvalidRequest, NotFound, OutOfDeviceMemory
from webui.weights import residency as room
from webui.weights.memory import is_memory_error, resolve_device, resolve_dtype
from webui.weights.placement import Plan, fitting, smaller
from webui.weights.residency import Residency, Wishes


@dataclass(frozen=True)
class File:
    path: Path
    title: str = "tiny"
    sha256: str | None = None


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def test_a_model_is_loaded_once_and_kept(tiny_folder: Path) -> None:
    residency = Residency("cpu")
    first = residency.checkpoint(File(tiny_folder, "one", "f" * 64))
    assert residency.checkpoint(File(tiny_folder)) is first
    assert (first.title, first.sha256, first.dtype) == ("one", "f" * 64, torch.float32)
    assert residency.titles == ("one",)


def test_the_least_recently_used_model_goes_first(
    tiny_folder: Path, tiny_v_folder: Path, folder: Path
) -> None:
    residency = Residency("cpu", wishes=Wishes(keep=2))
    one, two = File(tiny_folder, "one"), File(tiny_v_folder, "two")
    first = residency.checkpoint(one)
    residency.checkpoint(two)
    residency.checkpoint(one)
    residency.checkpoint(File(folder, "three"))
    assert residency.titles == ("one", "three")
    assert residency.checkpoint(one) is first
    residency.clear()
    assert residency.titles == ()


def test_a_file_that_changed_on_disk_is_loaded_again(folder: Path) -> None:
    residency = Residency("cpu", wishes=Wishes(keep=5))
    first = residency.checkpoint(File(folder))
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    os.utime(weights, ns=(0, weights.stat().st_mtime_ns + 10**9))
    assert residency.checkpoint(File(folder)) is not first
    assert len(residency.titles) == 1


def test_a_file_that_is_gone_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="gone"):
        Residency("cpu").checkpoint(File(tmp_path / "x.safetensors", "gone"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
        MemoryError(),
    ],
)
def test_a_full_device_becomes_a_sentence(tiny_folder: Path, error: Exception) -> None:
    residency = Residency("cpu")
    residency.checkpoint(File(tiny_folder))
    assert is_memory_error(error)
    with pytest.raises(OutOfDeviceMemory) as caught, residency.guarded("decoding the picture"):
        raise error
    assert "while decoding the picture" in caught.value.sentence
    assert "Resident: tiny (" in caught.value.sentence
    assert "Lower the picture's size" in caught.value.sentence
    assert caught.value.detail == str(error)


def test_a_real_allocation_that_is_too_large_is_recognised() -> None:
    with pytest.raises(OutOfDeviceMemory), Residency("cpu").guarded("trying"):
        torch.empty(2**60)


def test_other_errors_pass_the_guard_unchanged() -> None:
    error = RuntimeError("shapes do not match")
    with pytest.raises(RuntimeError) as caught, Residency("cpu").guarded("trying"):
        raise error
    assert caught.value is error


def test_others_are_let_go_when_a_model_does_not_fit_beside_them(
    tiny_folder: Path, tiny_v_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    residency = Residency("cpu", wishes=Wishes(keep=3))
    residency.checkpoint(File(tiny_folder, "one"))
    load = room.load_checkpoint

    def crowded(*args: object, **kwargs: object) -> object:
        if residency.titles:
            raise torch.OutOfMemoryError("out of memory")
        return load(*args, **kwargs)

    monkeypatch.setattr(room, "load_checkpoint", crowded)
    residency.checkpoint(File(tiny_v_folder, "two"))
    assert residency.titles == ("two",)


def test_a_model_that_never_fits_says_so(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(room, "load_checkpoint", full)
    with pytest.raises(OutOfDeviceMemory, match="loading big"):
        Residency("cpu").checkpoint(File(tiny_folder, "big"))


def test_devices_and_number_formats_are_chosen_or_checked() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    assert resolve_dtype("auto", torch.device("cpu")) == torch.float32
    assert resolve_dtype("auto", torch.device("cuda")) == torch.float16
    assert resolve_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16
    for wrong in ("nonsense", "cuda:99"):
        with pytest.raises(InvalidRequest) as caught:
            resolve_device(wrong)
        assert caught.value.field == "engine.device"
    with pytest.raises(InvalidRequest, match="auto, float32, float16, bfloat16"):
        resolve_dtype("float8", torch.device("cpu"))


def test_a_checkpoint_kept_warm_comes_back_without_its_file_being_read(
    tiny_folder: Path, tiny_v_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    residency = Residency("cpu", wishes=Wishes(keep=1, warm=1))
    first = residency.checkpoint(File(tiny_folder, "one"))
    residency.checkpoint(File(tiny_v_folder, "two"))
    assert residency.titles == ("two",)
    monkeypatch.setattr(room, "load_checkpoint", None)  # nothing may load
    assert residency.checkpoint(File(tiny_folder, "one")) is first
    residency.checkpoint(File(tiny_v_folder, "two"))


def test_weights_of_large_half_precision_files_stay_as_they_are_on_a_cpu(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Residency("cpu").checkpoint(File(tiny_folder))
    monkeypatch.setattr(room, "WIDENED", 1)
    large = Residency("cpu").checkpoint(File(tiny_folder))
    kept = [{p.dtype for p in c.network.module.parameters()} for c in (small, large)]
    assert kept == [{torch.float32}, {torch.float16}]
    assert small.dtype == large.dtype == torch.float32


def test_a_smaller_plan_moves_what_is_resident_and_going_back_restores_it(
    tiny_folder: Path,
) -> None:
    residency = Residency("cpu")
    residency.checkpoint(File(tiny_folder))
    assert residency.smaller() == Plan(tile_pixels=512 * 512)
    residency.use(residency.smaller())
    assert residency.smaller() == Plan(tile_pixels=512 * 512, sliced=True)
    residency.use(residency.smaller())
    assert residency.smaller() is None
    residency.use(None)
    assert residency.plan == Plan()
    checkpoint = residency.checkpoint(File(tiny_folder))
    assert checkpoint.quarters is not None
    assert checkpoint.quarters.plan == Plan()


def test_plans_shrink_step_by_step() -> None:
    plan, seen = Plan(), []
    while plan is not None:
        seen.append((plan.placement, plan.tile_pixels > 0, plan.sliced))
        following = smaller(plan, offloads=True)
        if following is None:
            break
        plan = following
    assert seen == [
        ("full", False, False),
        ("model", True, False),
        ("group", True, False),
        ("sequential", True, False),
        ("sequential", True, True),
    ]


def test_the_largest_placement_that_fits_is_taken() -> None:
    parts = {"unet": 60, "vae": 5, "text_encoder": 10}
    assert fitting(parts, working=10, free=100) == "full"
    assert fitting(parts, working=10, free=90) == "model"
    assert fitting(parts, working=10, free=70) == "group"
