from pathlib import Path

import pytest

import launch

PIN = "torch==2.13.0"


def choose(system: str, nvidia: bool, online: bool = True, **environ: str) -> list[str]:
    return launch.torch_arguments(PIN, environ, system, nvidia, lambda url: online)


def test_linux_without_a_gpu_takes_the_cpu_build() -> None:
    assert choose("linux", nvidia=False) == [PIN, "--extra-index-url", launch.CPU_INDEX]


def test_an_unreachable_cpu_index_is_left_out_so_that_a_local_build_can_be_taken() -> None:
    assert choose("linux", nvidia=False, online=False) == [PIN]


def test_linux_with_an_nvidia_gpu_takes_the_usual_build() -> None:
    assert choose("linux", nvidia=True) == [PIN]


def test_windows_asks_the_index_of_its_build_either_way() -> None:
    assert choose("win32", nvidia=True) == [PIN, "--extra-index-url", launch.CUDA_INDEX]
    assert choose("win32", nvidia=False) == [PIN, "--extra-index-url", launch.CPU_INDEX]


def test_macos_takes_the_usual_build() -> None:
    assert choose("darwin", nvidia=False) == [PIN]


def test_the_index_can_be_overridden() -> None:
    chosen = choose("linux", nvidia=True, TORCH_INDEX_URL="https://example.org/rocm")
    assert chosen == [PIN, "--index-url", "https://example.org/rocm"]


def test_the_whole_command_can_be_overridden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(launch, "run", lambda words, place, otherwise: ran.append(words))
    environ = {"TORCH_COMMAND": "pip install torch==2.12.0 --no-deps"}
    launch.install_torch(Path("/venv/python"), environ, tmp_path)
    expected = [str(Path("/venv/python")), "-m", "pip", "install", "torch==2.12.0", "--no-deps"]
    assert ran == [expected]


def test_the_pin_is_read_from_the_lock() -> None:
    text = (launch.LOCKS / "torch.txt").read_text(encoding="utf-8")
    assert launch._pin(text).startswith("torch==2.")


def test_nothing_listens_means_unreachable() -> None:
    assert not launch.reachable("http://127.0.0.1:9")
