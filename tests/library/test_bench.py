import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from webui.contract.merging import MergeRequest
from webui.errors import Conflict, InvalidRequest, NotFound
from webui.library.bench import Bench, Work
from webui.library.catalog import Catalog
from webui.library.hashes import HashCache


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    (folder / "Lora").mkdir(parents=True)
    return folder


@pytest.fixture
def bench(models: Path, tmp_path: Path):
    made = Bench(Catalog([models], HashCache(tmp_path / "hashes.json")), lambda: models)
    yield made
    made.close()


def finished(bench: Bench) -> Work:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        work = bench.work()
        if work is not None and work.state != "running":
            return work
        time.sleep(0.05)
    raise AssertionError("the work does not end")


def test_files_are_converted_and_one_that_is_refused_is_told(bench: Bench, models: Path) -> None:
    torch.save({"a": torch.ones(2)}, models / "Lora" / "style.pt")
    (models / "broken.ckpt").write_bytes(b"x")
    names = {file.name for file in bench.pickled()}
    assert names == {"Lora/style.pt", "broken.ckpt"}
    assert bench.convert(sorted(names)).state == "running"
    done = finished(bench)
    assert done.state == "done"
    assert "Made style.safetensors" in done.sentence
    assert "broken.ckpt: " in done.sentence
    assert torch.equal(load_file(models / "Lora" / "style.safetensors")["a"], torch.ones(2))
    assert [file.name for file in bench.pickled()] == ["broken.ckpt"]


def test_what_cannot_be_converted_is_refused_at_once(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "outside.ckpt").write_bytes(b"x")
    for name in ("../outside.ckpt", str(tmp_path / "outside.ckpt"), "nothing.pt"):
        with pytest.raises(NotFound):
            bench.convert([name])
    with pytest.raises(InvalidRequest):
        bench.convert([])
    assert bench.work() is None


def test_a_merge_that_fails_leaves_a_sentence_and_the_bench_free(
    bench: Bench, models: Path
) -> None:
    save_file({"model.diffusion_model.out.2.weight": torch.ones(2)}, models / "a.safetensors")
    for number in (1, 2):
        begun = bench.merge(MergeRequest(primary="a", secondary="gone"))
        assert begun.number == number
        ended = finished(bench)
        assert ended.state == "failed"
        assert "gone" in ended.sentence


def test_one_work_at_a_time_and_it_can_be_stopped(bench: Bench, models: Path) -> None:
    save_file({"model.diffusion_model.out.2.weight": torch.ones(2)}, models / "a.safetensors")
    bench.merge(MergeRequest(primary="a", method="none", name="b"))
    with pytest.raises(Conflict, match="wait"):
        bench.merge(MergeRequest(primary="a", method="none", name="c"))
    bench.stop()
    assert finished(bench).sentence == "It was stopped."
    assert [path.name for path in models.rglob("*") if path.is_file()] == ["a.safetensors"]
